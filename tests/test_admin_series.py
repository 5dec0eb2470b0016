"""How many series there are, what becomes of them, and names that somebody else has chosen."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from tests.cli_kit import CONF, SPACE, OnASite, Site, ended, event, machine, report
from tests.test_admin import FACTS, VIEW, share, values
from vcycled.admin.facts import Facts, read_facts
from vcycled.admin.measure import LABEL_MOST, Sample, exposition, measured
from vcycled.cli.session import Session
from vcycled.cli.views import SinkView, SpaceView
from vcycled.model import Records, SpaceMemory
from vcycled.remember import Tally

WITHOUT_PROD = (
    CONF[: CONF.index(f"[machinetype {SPACE} prod]")]
    + CONF[CONF.index(f"[machinetype {SPACE} test]") :]
)


def facts_of(site: Site) -> Facts:
    """Return what a scrape is made from."""
    return read_facts(Session(site.clock, [site.conf]), "4.0")


def kinds(facts: Facts, metric: str) -> set[str]:
    """Return the machinetypes of which there are samples."""
    return {labels[1] for labels in values(facts, metric)}


class TestNames(OnASite):
    """Of machinetypes and spaces that come and go."""

    def test_a_machinetype_that_is_removed_has_gauges_while_it_has_machines(
        self, site: Site
    ) -> None:
        """Its counters stay: what ended last is to be counted."""
        site.save(machine(), events=(event("machine-created", machine().name),))
        site.report(report(shares=(share("prod"),)))
        site.configure(WITHOUT_PROD)
        assert kinds(facts_of(site), "vcycle_machines") == {"prod", "test"}
        site.save(ended(machine().name))
        site.report(report())
        found = facts_of(site)
        for gauge in ("machines", "processors", "share_had_ratio", "machinetype_processors_limit"):
            assert "prod" not in kinds(found, f"vcycle_{gauge}")
        assert values(found, "vcycle_creations_total")[SPACE, "prod"] == 1

    def test_a_space_that_is_renamed_is_another(self, site: Site) -> None:
        """The old one has gauges until its machines are gone."""
        site.save(machine())
        site.report(report())
        new = "new.example.com"
        site.configure(CONF.replace(SPACE, new))
        assert set(values(facts_of(site), "vcycle_records_outgoing")) == {()}
        spaces = {labels[0] for labels in values(facts_of(site), "vcycle_machines")}
        assert spaces == {SPACE, new}
        site.save(ended(machine().name))
        spaces = {labels[0] for labels in values(facts_of(site), "vcycle_machines")}
        assert spaces == {new}

    def test_a_machinetype_may_have_a_limit_of_its_own(self, site: Site) -> None:
        """One without has no sample."""
        site.configure(CONF.replace("target_share = 2", "target_share = 2\nprocessors_limit = 3"))
        found = values(facts_of(site), "vcycle_machinetype_processors_limit")
        assert found == {(SPACE, "prod"): 3}

    def test_heartbeats_can_arrive_at_a_web_server_of_the_site(self, site: Site) -> None:
        """It is trusted to be up, so the alert of lost heartbeats is quiet."""
        metric = "vcycle_heartbeat_receiver_up"
        assert values(facts_of(site), metric) == {(): 0}
        site.configure(CONF.replace("[vcycle]", "[vcycle]\nheartbeat_receiver = external"))
        assert values(facts_of(site), metric) == {(): 1}


def test_a_certificate_that_two_sinks_show_is_one_series() -> None:
    """Prometheus takes no series twice."""
    ends = {"/etc/hostcert.pem": 9}
    sinks = tuple(
        SinkView(name=name, backlogs=(), outages=(), credential_ends=ends) for name in ("a", "b")
    )
    found = [*measured(replace(FACTS, view=replace(VIEW, sinks=sinks)))]
    metric = "vcycle_credential_end_timestamp_seconds"
    assert [each for each in found if each.metric == metric] == [
        Sample(metric, ("", "/etc/hostcert.pem"), 9)
    ]


def test_names_that_are_no_text_are_shown_all_the_same() -> None:
    """A cloud names a credential, a site its folders; a scrape must not fail for it."""
    name = 'a"b\\c\nd\ud800' + "x" * 300
    sample = Sample("vcycle_credential_end_timestamp_seconds", (SPACE, name), 1)
    text = exposition([sample]).decode()
    (found,) = [
        each.labels["credential"]
        for family in text_string_to_metric_families(text)
        for each in family.samples
    ]
    assert found == 'a"b\\c\nd?' + "x" * (LABEL_MOST - 8)


def space(name: str, kinds: int) -> SpaceView:
    """Return a space with so many machinetypes, each with a machine."""
    shares = tuple(share(f"k{n}") for n in range(kinds))
    machines = tuple(
        machine(f"vcycle-k{n}-0000000001", space=name, machinetype=f"k{n}") for n in range(kinds)
    )
    told = report(space=name, shares=shares, seconds=dict.fromkeys("abcde", 0.1))
    records = Records(memory=SpaceMemory(space=name, listed_at=1), machines=machines)
    return SpaceView(name=name, config=None, report=told, records=records)


def test_series_are_as_many_as_the_page_says() -> None:
    """Ten spaces with five machinetypes, of which each kind of thing has happened."""
    names = [f"s{n}.example.com" for n in range(10)]
    happened = {
        Tally(name, f"k{kind}", total, label): 1
        for name in names
        for kind in range(5)
        for total, labels in (("deletions", 18), ("errors", 7), ("records", 3))
        for label in map(str, range(labels))
    }
    spaces = tuple(space(name, 5) for name in names)
    found = [*measured(replace(FACTS, totals=happened, view=replace(VIEW, spaces=spaces)))]
    assert len(found) < 2500
    assert len({(each.metric, each.labels) for each in found}) == len(found)
