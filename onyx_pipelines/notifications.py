"""From settings to channels, and from an event to all of them. Above `notify`, which knows no
settings."""

from __future__ import annotations

from threading import Thread

from pydantic import SecretStr

from onyx_pipelines.notify import Event, LogNotifier, notify
from onyx_pipelines.notify.channels.channel import Channel
from onyx_pipelines.notify.channels.dead_man_switch import DeadManSwitch
from onyx_pipelines.notify.channels.mail import MailChannel, MailServer, SmtpSecurity
from onyx_pipelines.notify.channels.other import OtherChannel
from onyx_pipelines.notify.channels.slack import SlackChannel
from onyx_pipelines.notify.outbox import ChannelState, Outbox
from onyx_pipelines.notify.routing import routes
from onyx_pipelines.settings import Settings
from onyx_pipelines.telemetry import logger

_log = logger("notify")


def channels_of(settings: Settings) -> list[Channel]:
    """Those that are configured."""
    found: list[Channel] = []
    if settings.slack_webhook_url.get_secret_value():
        found.append(
            SlackChannel(
                settings.slack_webhook_url, routes(settings.slack_notify_on or settings.notify_on)
            )
        )
    if settings.smtp_host and settings.smtp_to:
        server = MailServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=SmtpSecurity(settings.smtp_security),
            user=settings.smtp_user,
            password=settings.smtp_password,
        )
        found.append(
            MailChannel(
                server,
                settings.smtp_from,
                settings.smtp_to,
                routes(settings.mail_notify_on or settings.notify_on),
            )
        )
    addresses = settings.notify_urls.get_secret_value().split()
    wanted = routes(settings.other_notify_on or settings.notify_on)
    found += [
        OtherChannel(SecretStr(address), wanted, number=number)
        for number, address in enumerate(addresses, 1)
    ]
    pings = {
        "nightly_backup": settings.ping_url_backup,
        "restore_drill": settings.ping_url_drill,
        "load_test": settings.ping_url_load_test,
    }
    set_ones = {job: url for job, url in pings.items() if url.get_secret_value()}
    if set_ones:
        found.append(DeadManSwitch(set_ones))
    return found


def tell(settings: Settings, event: Event, *, wait: bool = True) -> None:
    """Log it, store it for every channel that wants it, and try to deliver. Raises nothing: what
    is reported on must not fail for its report.

    Args:
        wait: until the channels have answered; without it they are told from a thread, and what
            that does not finish is delivered by the sensor.
    """
    notify(event, [LogNotifier()])
    try:
        channels = channels_of(settings)
        outbox = Outbox(settings.state_dir)
        if not outbox.put(event, channels):
            return
        if wait:
            outbox.deliver(channels)
        else:
            Thread(target=outbox.deliver, args=(channels,), daemon=True).start()
    except Exception:  # noqa: BLE001  (see above)
        _log.exception("The event could not be stored for its channels.")


def channel_states(settings: Settings) -> list[ChannelState]:
    """For people: when each channel last took a message, and what it has not taken."""
    return Outbox(settings.state_dir).states(channels_of(settings))


def deliver_pending(settings: Settings) -> int:
    """What could not be delivered before; gives the number of messages."""
    return Outbox(settings.state_dir).deliver(channels_of(settings))
