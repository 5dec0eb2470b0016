"""Law 7 as a property: whatever a machine asks for, it writes only into its own joboutputs."""

import asyncio
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.web_site import ONE, OUTPUTS, SPACE, TOKENS, TWO, Site, running, snapshot
from vcycled.machinedir import hash_of
from vcycled.machinedir.layout import is_output_name

BITS = st.sampled_from(
    [
        *("/", "..", ".", "%2e", "%2f", "%5c", "%00", "%25", "%0a", "\\", ";", "?", "#", "~", " "),
        *("log", "zone", ONE, TWO, SPACE, "machines", "joboutputs", "jobfeatures", "current"),
        *("user_data", "user_data_hash", ".user_data_fetched", "https_x509dn", ".put-0"),
    ]
)
RESTS = st.lists(BITS | st.text(max_size=2), min_size=1, max_size=7).map("".join)
PATHS = st.builds(lambda rest: f"{OUTPUTS}/{rest}", RESTS) | st.builds("/{}".format, RESTS)


def test_a_machine_writes_only_into_its_own_outputs(tmp_path: Path) -> None:
    """Snapshots of everything before and after each request differ in plain own outputs only."""
    with asyncio.Runner() as runner:
        life = running(tmp_path)
        site = runner.run(life.__aenter__())
        try:
            _probe(runner, site, tmp_path)
        finally:
            runner.run(life.__aexit__(None, None, None))


CLAIMS = st.builds(
    "{}: {}{}".format,
    st.sampled_from(
        ["Authorization", "Proxy-Authorization", "Cookie", "X-Vcycle-Client-Verify", "X-Token"]
    ),
    st.sampled_from(["Bearer ", "bearer", "Basic ", "Basic Og==", "Digest ", "SUCCESS", ""]),
    st.sampled_from(["", hash_of(TOKENS[ONE]), TOKENS[TWO], TOKENS[ONE][:-1], TOKENS[ONE] + "x"])
    | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
)


def test_no_claim_but_the_token_opens_outputs(tmp_path: Path) -> None:
    """Whatever a client says of itself, in whichever headers."""
    with asyncio.Runner() as runner:
        life = running(tmp_path, https_x509dn="/DC=org/CN=vm")
        site = runner.run(life.__aenter__())
        try:
            _claim(runner, site)
        finally:
            runner.run(life.__aexit__(None, None, None))


def _claim(runner: asyncio.Runner, site: Site) -> None:
    @settings(max_examples=60)
    @given(claims=st.lists(CLAIMS, max_size=3))
    def ask(claims: list[str]) -> None:
        answer = runner.run(site.ask("PUT", f"{OUTPUTS}/log", b"x", headers=claims))
        assert answer.status in {400, 401, 403}
        assert site.names() == []

    ask()


def _probe(runner: asyncio.Runner, site: Site, root: Path) -> None:
    written = 0

    @settings(max_examples=120)
    @given(path=PATHS)
    def ask(path: str) -> None:
        nonlocal written
        before = snapshot(root)
        try:
            answer = runner.run(site.ask("PUT", path, b"x", token=TOKENS[ONE]))
            status = answer.status
        except EOFError:
            status = 0
        after = snapshot(root)
        changed = {name for name in after if before.get(name) != after[name]}
        assert not set(before) - set(after)
        assert bool(changed) is (status == 201)
        for name in changed:
            written += 1
            assert Path(name).parent == site.outputs()
            assert is_output_name(Path(name).name)
            Path(name).unlink()

    ask()
    assert written, "no request was proper: the property says nothing"
