"""The X.509 proxy of a machine: made from what the site keeps in its machinetype's folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from vcycled.config import MachinetypeConfig, SpaceConfig
from vcycled.cycle.context import Context
from vcycled.errors import UserDataError
from vcycled.machinedir import Layout
from vcycled.proxy import CERTIFICATE, KEY, Credentials
from vcycled.userdata.source import read_file

_OPTION = "user_data_proxy"


def proxy_for(context: Context, config: SpaceConfig, kind: MachinetypeConfig) -> str:
    """Return a new proxy for one machine of `kind`, as PEM.

    It is valid until the machine must have ended, however late it starts.

    Raises:
        UserDataError: it cannot be made now; the text names the folder and the reason.
    """
    now = context.clock.now()
    with _papers_of(context, config, kind) as credentials:
        made = context.mint.proxy(
            credentials,
            machinetype=kind.name,
            now=now,
            until=_end(config, kind, now),
            is_legacy=kind.options.legacy_proxy,
        )
    return made.decode("ascii")


def why_no_proxy(context: Context, config: SpaceConfig, kind: MachinetypeConfig) -> str:
    """Return why `proxy_for` would fail now; empty if it would not."""
    now = context.clock.now()
    try:
        with _papers_of(context, config, kind) as credentials:
            credentials.check_times(now=now, until=_end(config, kind, now))
            credentials.check_style(is_legacy=kind.options.legacy_proxy)
    except UserDataError as error:
        return str(error)
    return ""


def credential_ends(context: Context, config: SpaceConfig) -> Mapping[str, int]:
    """Return until when what opens the cloud, and what proxies are made from, is valid."""
    ends = dict(context.space.credential_ends())
    for kind in config.machinetypes:
        with suppress(UserDataError):  # told as what holds it
            if kind.options.user_data_proxy:
                with _papers_of(context, config, kind) as credentials:
                    ends[f"{CERTIFICATE} of {kind.name}"] = credentials.ends_at
    return ends


@contextmanager
def _papers_of(
    context: Context, config: SpaceConfig, kind: MachinetypeConfig
) -> Iterator[Credentials]:
    """Yield what the site keeps for proxies of `kind`; what is wrong with it names the folder."""
    folder = Layout(context.manager.root).machinetype(config.name, kind.folder)
    certificates = read_file(_OPTION, CERTIFICATE, folder)
    key = read_file(_OPTION, KEY, folder)
    try:
        yield context.mint.credentials(certificates, key, machinetype=kind.name)
    except UserDataError as error:
        raise UserDataError(f"{_OPTION}: {folder}: {error}") from None


def _end(config: SpaceConfig, kind: MachinetypeConfig, now: int) -> int:
    """Return when a machine that is made now is surely gone."""
    latest = now + kind.options.start_timeout_seconds + kind.options.max_wallclock_seconds
    shutdown = config.options.shutdown_time
    return latest if shutdown is None or shutdown < now else min(latest, shutdown)
