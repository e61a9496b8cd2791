"""What the extension adds to Metaflow, and what it puts in the place of Metaflow's own.

``conda`` *and* ``pypi`` are replaced, environments and decorators alike: half of them would mix two
implementations in one flow.
"""

from metaflow_extensions.conjoin.plugins.environment.rivals import netflix_serves

ENVIRONMENTS_DESC = [
    ("conda", ".environment.environment.CondaEnvironment"),
    ("pypi", ".environment.environment.PypiEnvironment"),
]

STEP_DECORATORS_DESC = [
    ("conda", ".environment.step_decorators.CondaStepDecorator"),
    ("pypi", ".environment.step_decorators.PypiStepDecorator"),
    ("pip", ".environment.step_decorators.PipStepDecorator"),
    ("named_env", ".environment.step_decorators.NamedEnvStepDecorator"),
    ("sys_packages", ".environment.step_decorators.SysPackagesStepDecorator"),
    ("conda_env_internal", ".environment.tasks.EnvironmentInternalDecorator"),
]

FLOW_DECORATORS_DESC = [
    ("conda_base", ".environment.flow_decorators.CondaFlowDecorator"),
    ("pypi_base", ".environment.flow_decorators.PypiFlowDecorator"),
    ("pip_base", ".environment.flow_decorators.PipFlowDecorator"),
    ("named_env_base", ".environment.flow_decorators.NamedEnvFlowDecorator"),
    ("sys_packages_base", ".environment.flow_decorators.SysPackagesFlowDecorator"),
]

CLIS_DESC = [("environment", ".commands.environment_cli.cli")]

RUNNER_CLIS_DESC = [("environment", ".commands.runner.RunnerCLI")]

if netflix_serves():
    ENVIRONMENTS_DESC = STEP_DECORATORS_DESC = FLOW_DECORATORS_DESC = []
    CLIS_DESC = RUNNER_CLIS_DESC = []

TL_PLUGINS_DESC = [
    ("req_parser", ".commands.parsers.req_parser"),
    ("yml_parser", ".commands.parsers.yml_parser"),
    ("toml_parser", ".commands.parsers.toml_parser"),
]
