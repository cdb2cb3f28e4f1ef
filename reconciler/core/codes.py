"""The stable codes of Problems; docs/errors.md has a heading for each (contract 2)."""

from enum import StrEnum


class Code(StrEnum):
    """What is wrong, for machines. A code keeps its meaning for ever."""

    # The file
    FILE_UNREADABLE = "file-unreadable"
    FILE_SPECIAL = "file-special"
    FILE_LINK = "file-link"
    FILE_NAME = "file-name"
    FILE_TOO_LARGE = "file-too-large"
    FILE_ENCODING = "file-encoding"
    FILE_CHARACTER = "file-character"
    # The YAML
    YAML_SYNTAX = "yaml-syntax"
    YAML_DIRECTIVE = "yaml-directive"
    YAML_TAG = "yaml-tag"
    YAML_ANCHOR = "yaml-anchor"
    YAML_ALIAS = "yaml-alias"
    YAML_MERGE = "yaml-merge"
    YAML_DUPLICATE_KEY = "yaml-duplicate-key"
    YAML_KEY = "yaml-key"
    YAML_DEPTH = "yaml-depth"
    YAML_NUMBER = "yaml-number"
    # One document: its shape
    API_VERSION = "api-version"
    KIND_UNKNOWN = "kind-unknown"
    FIELD_MISSING = "field-missing"
    FIELD_UNKNOWN = "field-unknown"
    FIELD_TYPE = "field-type"
    FIELD_SERVER_OWNED = "field-server-owned"
    VALUE_UNKNOWN = "value-unknown"
    VALUE_RANGE = "value-range"
    VALUE_LENGTH = "value-length"
    VALUE_PATTERN = "value-pattern"
    # One document: its values
    NAME_INVALID = "name-invalid"
    DURATION_INVALID = "duration-invalid"
    SIZE_INVALID = "size-invalid"
    INSTANT_INVALID = "instant-invalid"
    CRON_INVALID = "cron-invalid"
    CRON_NEVER_FIRES = "cron-never-fires"
    TIMEZONE_UNKNOWN = "timezone-unknown"
    AT_INVALID = "at-invalid"
    EXPRESSION_INVALID = "expression-invalid"
    EXPRESSION_TOO_COMPLEX = "expression-too-complex"
    VARIABLE_UNKNOWN = "variable-unknown"
    FUNCTION_UNKNOWN = "function-unknown"
    TEMPLATE_INVALID = "template-invalid"
    # One document: its fields together
    TRIGGER_DUPLICATE = "trigger-duplicate"
    SCHEDULE_ONE_OF = "schedule-one-of"
    SCHEDULE_RANGE = "schedule-range"
    CATCH_UP_QUEUE = "catch-up-queue"
    REPLACE_UNAVAILABLE = "replace-unavailable"
    SIGNATURE_SECRET = "signature-secret"  # noqa: S105 - the code of a Problem
    SIGNATURE_OPTION = "signature-option"
    FORMER_NAME_INVALID = "former-name-invalid"
    MEMBER_DUPLICATE = "member-duplicate"
    # Secrets
    SECRET_REFERENCE = "secret-reference"  # noqa: S105 - the code of a Problem
    SECRET_WORKSPACE = "secret-workspace"  # noqa: S105 - the code of a Problem
    SECRET_FILE = "secret-file"  # noqa: S105 - the code of a Problem
    SECRET_RANGE = "secret-range"  # noqa: S105 - the code of a Problem
    SECRET_LITERAL = "secret-literal"  # noqa: S105 - the code of a Problem
    # What the operator allows
    URL_INVALID = "url-invalid"
    URL_NOT_ALLOWED = "url-not-allowed"
    COMMAND_NOT_ALLOWED = "command-not-allowed"
    PERMISSION_MODE_NOT_ALLOWED = "permission-mode-not-allowed"
    # Objects together
    OBJECT_DUPLICATE = "object-duplicate"
    FORMER_NAME_IN_USE = "former-name-in-use"
    ASSIGNEE_UNKNOWN = "assignee-unknown"
    MEMBER_UNKNOWN = "member-unknown"
    RUN_ONLY_UNSUPPORTED = "run-only-unsupported"
