"""`voxmesh webhook-secret [TENANT]`: what a receiver of webhooks checks them with."""

import sys
from collections.abc import Mapping

from shared.apikeys import check_name
from shared.errors import SettingsError
from shared.settings import secret_of
from shared.webhooks import check, shown
from shared.webhooks import secret_of as webhook_secret_of


def print_secret(tenant: str, environ: Mapping[str, str]) -> int:
    """Print the tenant's secret; that of everybody where no keys are asked for. Raises `SettingsError` without
    `WEBHOOK_SECRET` or `WEBHOOK_SECRET_FILE`, from which it is made, and for one that gateways do not take."""
    if tenant:
        check_name(tenant)
    master = secret_of(environ, "WEBHOOK_SECRET")
    if not master:
        raise SettingsError("WEBHOOK_SECRET: set it to what the gateways have, 32 random characters or more")
    try:
        check(master)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    print(f"For the receivers of {tenant or 'all'}:", file=sys.stderr)
    print(shown(webhook_secret_of(master, tenant)))
    return 0
