"""What `api = ec2` adds to a [space] section."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from vcycled.options import (
    COUNT,
    FLAG,
    NAME,
    NAMES,
    PATH,
    PATIENCE,
    SECRET,
    TEXT,
    Secret,
    choice,
    matching,
    number,
    option,
    optional,
    whole,
    words,
)

ENDPOINT = matching(
    r"https?://[^\s/?#@]+(/[^\s?#@]*)?",
    "a URL that begins with http:// or https://, without user, password or query",
)
REGION = matching(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,62}", "the name of a region, such as eu-west-1")
ROLE = matching(
    r"arn:[^\s:]+:iam::[0-9]*:role/\S+", "a role, as arn:aws:iam::123456789012:role/NAME"
)
PRICE = matching(r"[0-9]+(\.[0-9]+)?", "a price in US dollars an hour, such as 0.05")
INSTANCE_TYPE = matching(
    r"[a-zA-Z0-9.*?-]+(:[1-9][0-9]*:[1-9][0-9]*)?",
    "an instance type or pattern such as m6i.*, or NAME:PROCESSORS:MEGABYTES",
)
_AWS_HOST = re.compile(r"(.+\.)?amazonaws\.com(\.cn)?|.+\.api\.aws")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ec2Options:
    """Options of an EC2 space."""

    url: str | None = optional(
        ENDPOINT,
        default_text="that of the region at AWS",
        help="Address of an EC2-compatible endpoint, or of one of AWS.",
    )
    region: str = option(REGION, default="us-east-1", help="Region whose machines these are.")
    access_key: str | None = optional(
        NAME,
        default_text="what the SDK finds: environment, files, the role of this host",
        help="Id of the access key to sign with; needs secret_key.",
    )
    secret_key: Secret | None = optional(SECRET, help="Secret of access_key.")
    session_token: Secret | None = optional(
        SECRET, help="Token that goes with access_key, if that is a temporary one."
    )
    profile: str | None = optional(
        TEXT,
        help="""Profile of ~/.aws/config and ~/.aws/credentials to log in with, instead of
        access_key.""",
    )
    role_arn: str | None = optional(
        ROLE, help="Role to take on, once logged in, for all that is done."
    )
    external_id: str | None = optional(
        NAME, help="What the owner of role_arn wants to be told, if anything."
    )
    version: str | None = optional(
        TEXT,
        default_text="2016-11-15",
        help="Accepted since Vcycle 3 wanted it; the SDK speaks one version of the API only.",
    )
    service: str = option(
        NAME,
        default="ec2",
        help="Name of the service in signatures, where an endpoint wants another one.",
    )
    ca_file: str | None = optional(
        PATH,
        default_text="those that the SDK trusts",
        help="PEM file with the authorities that the endpoint's certificate is checked against.",
    )
    image_owners: tuple[str, ...] = option(
        NAMES,
        default=("self",),
        help="""Whose images a root_image may mean by name: account numbers, self, amazon.
        Anybody can give an image any name.""",
    )
    instance_types: tuple[str, ...] = option(
        words(INSTANCE_TYPE),
        default=(),
        default_text="all that the region has",
        help="""Instance types or patterns of them that machines may be made of; a few are found
        sooner than all. NAME:PROCESSORS:MEGABYTES where the endpoint does not tell sizes.""",
    )
    subnets: tuple[str, ...] = option(
        NAMES,
        default=(),
        default_text="the default subnet of the zone",
        help="""Ids of subnets, the preferred first. One without room for an instance type is
        tried last for ten minutes.""",
    )
    security_groups: tuple[str, ...] = option(
        NAMES,
        default=(),
        default_text="the default one",
        help="Ids of security groups of each machine, or names in the default network.",
    )
    public_address: bool | None = optional(
        FLAG,
        default_text="as the subnet has it",
        help="Whether each machine gets a public IPv4 address, which costs money.",
    )
    instance_profile: str | None = optional(
        NAME, help="Name or ARN of an instance profile: what machines themselves may do."
    )
    metadata_tokens: str = option(
        choice("required", "optional", "omitted"),
        default="required",
        help="""Whether the metadata service of a machine answers only with a token (IMDSv2);
        omitted asks for nothing, where an endpoint does not know it.""",
    )
    root_volume_gb: int = option(
        COUNT,
        default=0,
        default_text="that of the image",
        help="Least size of the root volume, deleted with its machine.",
    )
    root_volume_type: str | None = optional(
        NAME, default_text="that of the image", help="Type of the root volume, such as gp3."
    )
    spot: bool = option(
        FLAG,
        default=False,
        help="Ask for spot machines: cheaper, and they may be taken away at two minutes' notice.",
    )
    spot_max_price: str | None = optional(
        PRICE,
        default_text="the on-demand price",
        help="Most to pay for a spot machine; needs spot.",
    )
    spot_fallback: bool = option(
        FLAG,
        default=False,
        help="Make a machine at the on-demand price where there is no spot machine; needs spot.",
    )
    spot_events_queue: str | None = optional(
        ENDPOINT,
        help="""URL of an SQS queue to which EventBridge sends spot interruptions and rebalance
        recommendations of this region; read by this space alone.""",
    )
    launch_tags: str = option(
        choice("auto", "True", "False"),
        default="auto",
        help="""Whether machines are tagged in the request that makes them. False tags them
        afterwards; auto does so where the endpoint did not.""",
    )
    quota_codes: tuple[str, ...] = option(
        NAMES,
        default=(),
        default_text="those of standard instances, on-demand or spot",
        help="""Codes of the quotas, in Service Quotas, that together limit the processors, such as
        L-1216C47A; none asks for no quota.""",
    )
    api_calls_per_second: float = option(
        number(0.1),
        default=10.0,
        help="""Most calls a second in the long run, counted together for all spaces with the same
        account and region; launches have a limit of their own.""",
    )
    api_burst: int = option(
        whole(1), default=50, help="How many calls may be made at once after a quiet time."
    )
    launches_per_second: float = option(
        number(0.1),
        default=2.0,
        help="Most launches a second in the long run; AWS lets an account make 2.",
    )
    launch_burst: int = option(
        whole(1), default=5, help="How many launches may be made at once after a quiet time."
    )
    api_timeout_seconds: int = option(
        PATIENCE,
        default=60,
        help="How long the cloud may be silent in answering one call before it is given up.",
    )
    page_size: int = option(
        whole(5, 1000),
        default=1000,
        help="How many machines to ask for in one call of a listing.",
    )

    @property
    def is_aws(self) -> bool:
        """Whether the endpoint is one of AWS, which has more services than EC2."""
        host = urlsplit(self.url).hostname if self.url else None
        return self.url is None or bool(_AWS_HOST.fullmatch(host or ""))

    @property
    def instance_sizes(self) -> Mapping[str, tuple[int, int]]:
        """Processors and megabytes of the instance types that are given with their size."""
        parts = [each.split(":") for each in self.instance_types if ":" in each]
        return {name: (int(processors), int(memory)) for name, processors, memory in parts}

    @property
    def instance_patterns(self) -> tuple[str, ...]:
        """The instance types and patterns whose sizes the cloud tells."""
        return tuple(each for each in self.instance_types if ":" not in each)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Find options that contradict or lack each other, each as option and message."""
        for name, other in (("access_key", "secret_key"), ("secret_key", "access_key")):
            if getattr(self, name) and not getattr(self, other):
                yield name, f"needs {other} too"
        if self.session_token and not self.access_key:
            yield "session_token", "means nothing without access_key"
        if self.profile and self.access_key:
            yield "profile", "is another way to log in beside access_key"
        if self.external_id and not self.role_arn:
            yield "external_id", "means nothing without role_arn"
        for name in ("spot_max_price", "spot_fallback"):
            if getattr(self, name) and not self.spot:
                yield name, "means nothing without spot = True"
        yield from self._network_problems()

    def _network_problems(self) -> Iterator[tuple[str, str]]:
        names = [each for each in self.security_groups if not each.startswith("sg-")]
        if names and (self.subnets or self.public_address is not None):
            known = "subnets" if self.subnets else "public_address"
            yield "security_groups", f"{names[0]} must be an id (sg-…), since {known} is set"
        if self.spot_events_queue and not self.is_aws:
            yield "spot_events_queue", "is a service of AWS, and url is another endpoint"
        mixed = {":" in each for each in self.instance_types}
        if mixed == {True} and self.is_aws:
            yield "instance_types", "AWS tells the sizes itself; leave them out"
