"""`/api/notifications`: the channels to people."""

from dataclasses import asdict

from onyx_pipelines.api.admission import OfStack
from onyx_pipelines.api.models import ChannelAnswer, ChannelsAnswer
from onyx_pipelines.api.stacks import Stacks
from onyx_pipelines.notify.configured import channel_states


def add_notifications(stacks: Stacks) -> None:
    @stacks.reads.get("/api/notifications")
    def notifications(service: OfStack) -> ChannelsAnswer:
        """The channels that are configured, and what they have not taken."""
        states = channel_states(service.settings)
        return ChannelsAnswer(
            channels=[ChannelAnswer.model_validate(asdict(state)) for state in states]
        )
