"""What the extension adds to Metaflow, and what it puts in the place of Metaflow's own.

``conda`` *and* ``pypi`` are replaced, environments and decorators alike: half of them would mix two
implementations in one flow.
"""

from metaflow_extensions.conjoin.plugins.netflix_guard import netflix_serves

ENVIRONMENTS_DESC = [
    ("conda", ".environment.conda_environment.CondaEnvironment"),
    ("pypi", ".environment.conda_environment.PypiEnvironment"),
]

STEP_DECORATORS_DESC = [
    ("conda", ".environment.request.step_decorators.CondaStepDecorator"),
    ("pypi", ".environment.request.step_decorators.PypiStepDecorator"),
    ("pip", ".environment.request.step_decorators.PipStepDecorator"),
    ("named_env", ".environment.request.step_decorators.NamedEnvStepDecorator"),
    ("sys_packages", ".environment.request.step_decorators.SysPackagesStepDecorator"),
    ("conda_env_internal", ".environment.run.task_decorator.EnvironmentInternalDecorator"),
]

FLOW_DECORATORS_DESC = [
    ("conda_base", ".environment.request.flow_decorators.CondaFlowDecorator"),
    ("pypi_base", ".environment.request.flow_decorators.PypiFlowDecorator"),
    ("pip_base", ".environment.request.flow_decorators.PipFlowDecorator"),
    ("named_env_base", ".environment.request.flow_decorators.NamedEnvFlowDecorator"),
    ("sys_packages_base", ".environment.request.flow_decorators.SysPackagesFlowDecorator"),
]

CLIS_DESC = [("environment", ".flow_cli.environment_cli.cli")]

RUNNER_CLIS_DESC = [("environment", ".flow_cli.runner_cli.RunnerCLI")]

if netflix_serves():
    ENVIRONMENTS_DESC = STEP_DECORATORS_DESC = FLOW_DECORATORS_DESC = []
    CLIS_DESC = RUNNER_CLIS_DESC = []

TL_PLUGINS_DESC = [
    ("req_parser", ".config_parsers.req_parser"),
    ("yml_parser", ".config_parsers.yml_parser"),
    ("toml_parser", ".config_parsers.toml_parser"),
]
