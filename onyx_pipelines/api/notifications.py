"""`/api/notifications`: the channels to people."""

from dataclasses import asdict

from onyx_pipelines.api.models import ChannelAnswer, ChannelsAnswer
from onyx_pipelines.api.service import Service
from onyx_pipelines.notify.configured import channel_states


def add_notifications(service: Service) -> None:
    @service.reads.get("/api/notifications")
    def notifications() -> ChannelsAnswer:
        """The channels that are configured, and what they have not taken."""
        states = channel_states(service.settings)
        return ChannelsAnswer(
            channels=[ChannelAnswer.model_validate(asdict(state)) for state in states]
        )
