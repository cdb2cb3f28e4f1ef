"""`reconciler` with a transaction for each delivery: what group commit is compared with."""

import functools

from reconciler.cli.main import main
from reconciler.control.webhooks import intake
from reconciler.control.webhooks.group import GroupWriter

if __name__ == "__main__":
    vars(intake)["GroupWriter"] = functools.partial(GroupWriter, most=1)
    main()
