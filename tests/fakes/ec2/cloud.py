"""What a test does to the simulated EC2, and asks of it.

moto holds the instances. In front of it: what AWS does and moto does not (client tokens, a start
that takes time, machines that power off or are interrupted, listings that lag, quotas), faults,
and a record of every call.
"""

from __future__ import annotations

import io
import json
import re
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.etree import ElementTree as ET

from tests.fakes.ec2.faults import Fault
from tests.fakes.ec2.server import moto_app
from vcycled.clock import Clock

Start = Callable[[str, list[tuple[str, str]]], object]
_SCOPE = re.compile(r"Credential=([^/]+)/[^/]+/[^/]+/([^/]+)/")
_GOING = {"shutting-down", "terminated"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as it came."""

    service: str
    action: str
    parameters: dict[str, str]
    key: str = ""
    """Id of the access key that signed it."""
    session_token: str = ""


@dataclass(slots=True, kw_only=True)
class Shown:
    """How an instance is shown, where that is not as moto has it."""

    state: str = ""
    reason: str = ""
    transition: str = ""
    is_hidden: bool = False
    launched: str = ""


@dataclass(slots=True)
class Ec2Cloud:
    """One account, empty at first; moto's state is shared, so one test has it at a time."""

    clock: Clock | None = None
    """By which instances are launched; None leaves that to moto, whose clock is the host's."""
    quotas: dict[str, float | None] = field(default_factory=dict)
    """By code; empty is an endpoint without Service Quotas."""
    max_instances: str | None = None
    """As DescribeAccountAttributes tells it, if that is not moto's way."""
    default_quotas: dict[str, float | None] = field(default_factory=dict)
    """Those of every account."""
    services: dict[str, str] = field(default_factory=dict)
    """What the endpoint calls services in signatures, if that is not what AWS does."""
    has_tokens: bool = True
    """False for an endpoint that ignores client tokens, and does not show them."""
    tags_at_launch: bool = True
    """False for an endpoint that ignores TagSpecifications."""
    starts_slowly: bool = False
    """True leaves new machines pending until `run`."""
    lag_seconds: int = 0
    """A machine is shown only so long after it was launched by the clock."""
    is_mute: bool = False
    """True for an endpoint that tells of no instance it makes."""
    calls: list[Call] = field(default_factory=list)
    spot_marks: dict[str, str] = field(default_factory=dict)
    """Time at which a spot machine was marked for termination, by id."""
    launched: dict[str, int] = field(default_factory=dict)
    """When instances were launched by the clock, by id."""
    shown: defaultdict[str, Shown] = field(default_factory=lambda: defaultdict(Shown))
    _faults: defaultdict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    _tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    _old_images: set[str] = field(default_factory=set)
    _queue: str = ""
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        """Empty moto."""
        self._moto("POST", "/moto-api/reset", b"", {})

    # What a test does.

    def fail(self, action: str, *faults: Fault) -> None:
        """Let the next calls of an action go wrong, one each."""
        self._faults[action] += faults

    def power_off(self, instance_id: str, *, at: str = "") -> None:
        """Let a machine end by itself, which terminates it."""
        self.end(instance_id, "Client.InstanceInitiatedShutdown", at=at)

    def end(self, instance_id: str, reason: str, *, at: str = "") -> None:
        """Let a machine be terminated for a reason."""
        transition = f"Server initiated ({at} GMT)" if at else ""
        shown = self.shown[instance_id]
        shown.state, shown.reason, shown.transition = "terminated", reason, transition

    def run(self, instance_id: str) -> None:
        """Let a pending machine run."""
        self.shown[instance_id].state = "running"

    # What a test asks.

    def counts(self) -> Counter[str]:
        """Return how often each action was called."""
        return Counter(each.action for each in self.calls)

    def last(self, action: str) -> dict[str, str]:
        """Return the parameters of the last call of an action."""
        return next(each.parameters for each in reversed(self.calls) if each.action == action)

    def living(self) -> list[str]:
        """Return the ids of instances that are not terminated, whoever sees them."""
        page = self._moto_call("DescribeInstances", MaxResults="1000")
        return [
            _text(each, "instanceId")
            for each in _instances(page)
            if self._state(each) not in _GOING
        ]

    def cards(self) -> list[bool]:
        """Return of each network interface of an instance whether it goes with that."""
        page = self._moto_call("DescribeNetworkInterfaces")
        found = (_text(each, "deleteOnTermination") for each in page.iter("attachment"))
        return [each == "true" for each in found]

    def tags(self) -> dict[str, dict[str, str]]:
        """Return the tags of every instance, by id."""
        page = self._moto_call("DescribeInstances", MaxResults="1000")
        return {
            _text(each, "instanceId"): {
                _text(tag, "key"): _text(tag, "value") for tag in each.findall("tagSet/item")
            }
            for each in _instances(page)
        }

    def make(self, image: str, *, name: str = "", count: int = 1) -> list[str]:
        """Make instances of somebody else's."""
        tags = {
            "TagSpecification.1.ResourceType": "instance",
            "TagSpecification.1.Tag.1.Key": "Name",
            "TagSpecification.1.Tag.1.Value": name,
        }
        page = self._moto_call(
            "RunInstances",
            ImageId=image,
            InstanceType="m5.large",
            MinCount=str(count),
            MaxCount=str(count),
            **(tags if name else {}),
        )
        made = [_text(each, "instanceId") for each in _instances(page)]
        for each in made:
            self._stamp(each)
        return made

    def register(self, name: str) -> str:
        """Register an image of our own; return its id."""
        page = self._moto_call("RegisterImage", Name=name, RootDeviceName="/dev/sda1")
        return _text(page, "imageId")

    def age(self, image: str) -> None:
        """Let images of this name be old."""
        self._old_images.add(image)

    def subnets(self) -> dict[str, str]:
        """Return the id of the default subnet of each zone."""
        page = self._moto_call("DescribeSubnets")
        found = page.iter("item")
        ids = {_text(each, "availabilityZone"): _text(each, "subnetId") for each in found}
        return {zone: subnet for zone, subnet in ids.items() if subnet}

    def put_parameter(self, name: str, value: str) -> None:
        """Set a parameter of Systems Manager."""
        self._moto_json("ssm", "AmazonSSM.PutParameter", Name=name, Value=value, Type="String")

    def make_queue(self, name: str) -> str:
        """Make a queue; return the path of its URL."""
        made = self._moto_json("sqs", "AmazonSQS.CreateQueue", QueueName=name)
        self._queue = str(made["QueueUrl"])
        return urlsplit(self._queue).path

    def send(self, body: str) -> None:
        """Send a message to the queue."""
        target = "AmazonSQS.SendMessage"
        self._moto_json("sqs", target, QueueUrl=self._queue, MessageBody=body)

    def add_volume(self, name: str) -> str:
        """Make a volume that a machine of ours left; return its id."""
        tags = {"Name": name, "vcycle_installation": "ours"}
        told = {"TagSpecification.1.ResourceType": "volume"}
        for number, (key, value) in enumerate(tags.items(), 1):
            told[f"TagSpecification.1.Tag.{number}.Key"] = key
            told[f"TagSpecification.1.Tag.{number}.Value"] = value
        page = self._moto_call("CreateVolume", AvailabilityZone="us-east-1a", Size="1", **told)
        return _text(page, "volumeId")

    # What the server asks.

    def answer(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer a request, as a WSGI application."""
        for theirs, known in self.services.items():
            scope = environ.get("HTTP_AUTHORIZATION", "")
            environ["vcycle.scope"] = scope
            environ["HTTP_AUTHORIZATION"] = scope.replace(f"/{theirs}/", f"/{known}/")
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size)
        call = _call(environ, body)
        with self._lock:
            self.calls.append(call)
            faults = self._faults[call.action]
            fault = faults.popleft() if faults else None
            if fault and fault.code:
                return _reply(start, f"{fault.status} As ordered", fault.body)
            status, content, kind = self._act(environ, call, body)
        if fault and fault.is_lost:
            # An answer that ends before it says what it announced is one that was lost.
            start("200 OK", [("Content-Length", "100000"), ("Connection", "close")])
            return [b"<"]
        return _reply(start, status, content, kind)

    def _act(self, environ: dict[str, Any], call: Call, body: bytes) -> tuple[str, bytes, str]:
        if call.service == "servicequotas":
            return self._quota(call)
        if call.action == "DescribeSpotInstanceRequests":
            return "200 OK", self._spot_requests(), "text/xml"
        if call.action == "RunInstances" and (answer := self._known(call)):
            return answer
        if call.action == "RunInstances" and not self.tags_at_launch:
            body = re.sub(rb"&?TagSpecification[^&]*", b"", body)
        if call.parameters.get("Filter.1.Name") == "client-token":
            known = self._tokens.get(call.parameters["Filter.1.Value.1"])
            if known is None:
                return "200 OK", b"<DescribeInstancesResponse/>", "text/xml"
            form = {"Action": call.action, "Version": "2016-11-15", "InstanceId.1": known[0]}
            body = urlencode(form).encode()
        status, content, kind = self._forward(environ, body)
        if call.service == "ec2" and status.startswith("200"):
            content = self._edited(call, content)
        return status, content, kind

    def _known(self, call: Call) -> tuple[str, bytes, str] | None:
        """Return the answer to a token that was used before."""
        token = call.parameters.get("ClientToken", "")
        if not self.has_tokens or token not in self._tokens:
            return None
        instance_id, parameters = self._tokens[token]
        if parameters != _fingerprint(call):
            fault = Fault(code="IdempotentParameterMismatch")
            return "400 Bad Request", fault.body, "text/xml"
        page = self._moto_call("DescribeInstances", **{"InstanceId.1": instance_id})
        (instance,) = _instances(page)
        self._show(instance)
        root = ET.Element("RunInstancesResponse")
        instances = ET.SubElement(root, "instancesSet")
        instances.append(instance)
        return "200 OK", _bytes(root), "text/xml"

    def _edited(self, call: Call, content: bytes) -> bytes:
        """Return an answer of moto's as AWS would give it."""
        root = _parse(content)
        self._age(root)
        if self.max_instances is not None:
            for attribute in root.iter("attributeValue"):
                attribute.text = self.max_instances
        if self.is_mute and call.action == "RunInstances":
            for instances in root.iter("instancesSet"):
                instances.clear()
        for instance in _instances(root):
            instance_id = _text(instance, "instanceId")
            if call.action == "RunInstances":
                token = call.parameters.get("ClientToken", "")
                self._tokens[token] = instance_id, _fingerprint(call)
                self._stamp(instance_id)
                if self.starts_slowly:
                    self.shown[instance_id].state = "pending"
            else:
                self._show(instance)
        if call.action != "RunInstances":
            self._hide(root)
        return _bytes(root)

    def _age(self, root: ET.Element) -> None:
        for image in root.iter("item"):
            if _text(image, "name") in self._old_images:
                _set(image, "creationDate", "2001-01-01T00:00:00.000Z")

    def _hide(self, root: ET.Element) -> None:
        for instances in root.iter("instancesSet"):
            for instance in list(instances):
                instance_id = _text(instance, "instanceId")
                if self.shown[instance_id].is_hidden or self._is_late(instance_id):
                    instances.remove(instance)

    def _is_late(self, instance_id: str) -> bool:
        launched_at = self.launched.get(instance_id)
        if self.clock is None or launched_at is None:
            return False
        return self.clock.now() < launched_at + self.lag_seconds

    def _stamp(self, instance_id: str) -> None:
        if self.clock:
            self.launched[instance_id] = self.clock.now()
            at = datetime.fromtimestamp(self.clock.now(), UTC)
            self.shown[instance_id].launched = f"{at:%Y-%m-%dT%H:%M:%S.000Z}"

    def _show(self, instance: ET.Element) -> None:
        shown = self.shown[_text(instance, "instanceId")]
        if shown.state:
            _set(instance, "instanceState/name", shown.state)
        if shown.reason:
            _set(instance, "stateReason/code", shown.reason)
            _set(instance, "stateReason/message", f"{shown.reason}: as the test has it")
            _set(instance, "reason", shown.transition)
        if shown.launched:
            _set(instance, "launchTime", shown.launched)
            for attached in instance.iter("attachTime"):
                attached.text = shown.launched
        if not self.has_tokens:
            _set(instance, "clientToken", "")

    def _state(self, instance: ET.Element) -> str:
        shown = self.shown[_text(instance, "instanceId")]
        return shown.state or _text(instance, "instanceState/name")

    def _spot_requests(self) -> bytes:
        root = ET.Element("DescribeSpotInstanceRequestsResponse")
        found = ET.SubElement(root, "spotInstanceRequestSet")
        for instance_id, at in self.spot_marks.items():
            item = ET.SubElement(found, "item")
            ET.SubElement(item, "instanceId").text = instance_id
            status = ET.SubElement(item, "status")
            ET.SubElement(status, "code").text = "marked-for-termination"
            ET.SubElement(status, "updateTime").text = at
        return _bytes(root)

    def _quota(self, call: Call) -> tuple[str, bytes, str]:
        is_default = call.action == "GetAWSDefaultServiceQuota"
        known = self.default_quotas if is_default else self.quotas
        code = call.parameters["QuotaCode"]
        kind = "application/x-amz-json-1.1"
        if code not in known:
            error = {"__type": "NoSuchResourceException", "message": "no such quota"}
            return "400 Bad Request", json.dumps(error).encode(), kind
        return "200 OK", json.dumps({"Quota": {"Value": known[code]}}).encode(), kind

    # moto

    def _moto_call(self, action: str, **parameters: str) -> ET.Element:
        body = urlencode({"Action": action, "Version": "2016-11-15", **parameters}).encode()
        scope = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ec2/aws4_request"
        headers = {
            "HTTP_AUTHORIZATION": scope,
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
        }
        status, content, _ = self._moto("POST", "/", body, headers)
        assert status.startswith("200"), content
        return _parse(content)

    def _moto_json(self, service: str, target: str, **parameters: object) -> dict[str, Any]:
        scope = f"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request"
        headers = {
            "HTTP_AUTHORIZATION": scope,
            "HTTP_X_AMZ_TARGET": target,
            "CONTENT_TYPE": "application/x-amz-json-1.1",
        }
        status, content, _ = self._moto("POST", "/", json.dumps(parameters).encode(), headers)
        assert status.startswith("200"), content
        answer: dict[str, Any] = json.loads(content)
        return answer

    def _moto(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[str, bytes, str]:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "HTTP_HOST": "127.0.0.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.errors": io.StringIO(),
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **headers,
        }
        return self._forward(environ, body)

    def _forward(self, environ: dict[str, Any], body: bytes) -> tuple[str, bytes, str]:
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            told.append((status, headers))

        sent = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        chunks = moto_app()(sent, start)
        content = b"".join(chunks)
        if close := getattr(chunks, "close", None):
            close()
        ((status, headers),) = told
        kinds = [value for key, value in headers if key.lower() == "content-type"]
        return status, content, (kinds or ["text/xml"])[0]


def _call(environ: dict[str, Any], body: bytes) -> Call:
    signed = environ.get("vcycle.scope") or environ.get("HTTP_AUTHORIZATION", "")
    scope = _SCOPE.search(signed)
    key, service = (scope[1], scope[2]) if scope else ("", "")
    session_token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")
    found = Call(service=service, action="", parameters={}, key=key, session_token=session_token)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        parameters = {key: str(value) for key, value in json.loads(body or b"{}").items()}
        return replace(found, action=target.rpartition(".")[2], parameters=parameters)
    form = {key: values[0] for key, values in parse_qs(body.decode(), True).items()}
    return replace(found, action=form.pop("Action", ""), parameters=form)


def _fingerprint(call: Call) -> str:
    return json.dumps(call.parameters, sort_keys=True)


def _reply(start: Start, status: str, content: bytes, kind: str = "text/xml") -> list[bytes]:
    start(status, [("Content-Type", kind), ("Content-Length", str(len(content)))])
    return [content]


def _parse(content: bytes) -> ET.Element:
    """Return the XML without its namespace, which the SDK does not look at."""
    return ET.fromstring(re.sub(rb' xmlns="[^"]*"', b"", content, count=1))


def _bytes(root: ET.Element) -> bytes:
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _instances(root: ET.Element) -> Iterator[ET.Element]:
    for instances in root.iter("instancesSet"):
        yield from instances


def _text(element: ET.Element, path: str) -> str:
    return element.findtext(path) or ""


def _set(element: ET.Element, path: str, text: str) -> None:
    """Set the text of an element, made if it is not there."""
    for name in path.split("/"):
        found = element.find(name)
        element = ET.SubElement(element, name) if found is None else found
    element.text = text
