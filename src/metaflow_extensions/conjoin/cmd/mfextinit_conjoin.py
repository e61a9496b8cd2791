"""Commands that the extension adds to ``metaflow``."""

CMDS_DESC = [("environment", ".environment.environment_cmd.cli")]
