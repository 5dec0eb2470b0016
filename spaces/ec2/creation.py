"""Making machines: each attempt is one launch with a token of its own."""

from __future__ import annotations

from vcycled.clock import Clock
from vcycled.errors import NoCapacity, QuotaExceeded, SpaceError, Unavailable
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.ec2.answers import Doc
from vcycled.spaces.ec2.api import Api
from vcycled.spaces.ec2.images import Image, ImageFinder
from vcycled.spaces.ec2.instances import Instances
from vcycled.spaces.ec2.keys import NOT_FOUND, Ec2KeyPairs
from vcycled.spaces.ec2.launch import check, parameters, tag_list
from vcycled.spaces.ec2.listing import INSTALLATION, UUID
from vcycled.spaces.ec2.options import Ec2Options
from vcycled.spaces.ec2.places import Place, Places
from vcycled.spaces.ec2.rejections import Mismatch, Rejected
from vcycled.spaces.ec2.tagging import Intent, Tagging
from vcycled.spaces.ec2.tokens import token_of

_GOING = {"shutting-down", "terminated"}
_MOST_LIVES = 3
"""How many machines of one request may have come and gone before it is given up."""


class Creation:
    """Turns requests into instances; what they name is looked up once and kept for a while."""

    def __init__(
        self,
        api: Api,
        options: Ec2Options,
        instances: Instances,
        tagging: Tagging,
        *,
        clock: Clock,
    ) -> None:
        self._api = api
        self._options = options
        self._clock = clock
        self._instances = instances
        self._images = ImageFinder(api, options, clock=clock)
        self._places = Places(api, options, clock=clock)
        self._tagging = tagging
        self.keys = Ec2KeyPairs(api)
        self._tags_at_launch = options.launch_tags != "False"

    def create(self, request: CreateRequest) -> str:
        """Ask for an instance, where there is room for it, and return its id."""
        check(request)
        failure: SpaceError | None = None
        for place in self._places.for_machine(request.flavor, request.zone):
            try:
                return self._create_in(place, request)
            except NoCapacity as error:
                self._places.is_full(request.flavor, place)
                failure = failure or error
            except QuotaExceeded as error:
                if not (place.is_spot and self._options.spot_fallback):
                    raise
                # Spot machines have a quota of their own.
                self._places.is_full(request.flavor, place)
                failure = error
        assert failure is not None, "there is always a place"
        raise failure

    def _create_in(self, place: Place, request: CreateRequest) -> str:
        """Ask for an instance in one place.

        Where EC2 says that what we kept is out of date, it is looked up and asked once more: by
        saying so it made nothing.
        """
        try:
            return self._live(place, request)
        except Rejected as error:
            if not self._heed(error, request):
                raise
        return self._live(place, request)

    def _live(self, place: Place, request: CreateRequest) -> str:
        """Ask for an instance that is not one of the same request that has ended since."""
        image = self._images.find(request.image)
        for life in range(_MOST_LIVES):
            token = token_of(
                request.uuid, request.flavor, image.id, repr(place), str(life), request.name
            )
            instance = self._launch(place, request, image, token)
            if instance.doc("State").text("Name") not in _GOING:
                return instance.id("InstanceId")
        raise Unavailable("create", "each machine that was made of it has ended")

    def _launch(self, place: Place, request: CreateRequest, image: Image, token: str) -> Doc:
        intent = Intent(
            token=token,
            flavor=request.flavor,
            image_id=image.id,
            asked_at=self._clock.now(),
            tags=tuple((each["Key"], each["Value"]) for each in tag_list(request)),
        )
        wanted = parameters(
            request,
            self._options,
            place,
            image,
            key_name=self._key_name(request),
            token=token,
            has_tags=self._tags_at_launch,
        )
        self._tagging.expect(intent)
        try:
            instance = self._run(wanted)
        except SpaceError as error:
            if not isinstance(error, Unavailable) or error.is_undone:
                self._tagging.forget(token)
            raise
        self._tag(instance, intent)
        return instance

    def _run(self, wanted: dict[str, object]) -> Doc:
        """Make the call; return the instance, which may be there since an earlier one."""
        try:
            answer = self._api.call("create", "run_instances", **wanted)
        except Mismatch:
            found = self._instances.of_token("create", str(wanted["ClientToken"]))
            if not found:
                raise
            return found[0]
        made = answer.docs("Instances")
        if len(made) != 1:
            raise Unavailable("create", f"asked for 1 instance, the cloud tells of {len(made)}")
        return made[0]

    def _tag(self, instance: Doc, intent: Intent) -> None:
        """Set the tags of a new instance if the endpoint did not."""
        is_tagged = UUID in instance.tags or UUID not in dict(intent.tags)
        must_tag = not self._tags_at_launch or self._options.launch_tags == "auto"
        if must_tag and not is_tagged:
            self._tagging.tag("create", instance.id("InstanceId"), intent)
        else:
            self._tagging.forget(intent.token)

    def _key_name(self, request: CreateRequest) -> str:
        if not request.public_key:
            return ""
        return self.keys.name_for(request.public_key, request.tags.get(INSTALLATION, ""))

    def _heed(self, error: Rejected, request: CreateRequest) -> bool:
        """Forget what the cloud says is not so any more; return whether to ask once more."""
        if error.code == NOT_FOUND and request.public_key:
            self.keys.forget(self._key_name(request))
            return True
        if error.code.startswith("InvalidAMIID."):
            self._images.forget(request.image)
            return True
        if self._tags_at_launch and self._options.launch_tags == "auto" and _is_about_tags(error):
            self._tags_at_launch = False
            return True
        return False


def _is_about_tags(error: Rejected) -> bool:
    """Return whether an endpoint says that it does not know TagSpecifications."""
    is_parameter = error.code.startswith(("UnknownParameter", "InvalidParameter"))
    return is_parameter and "tagspecification" in error.detail.lower()
