"""What the routes share: one object a process, made when the app starts."""

import asyncio
from dataclasses import dataclass
from typing import Final, cast

from quart import Quart, current_app, request

from common.connections import Keeper
from common.settings import MEGABYTE, Settings
from gateway.access import Access
from gateway.admission import Admission
from gateway.deferred import Deferrer
from gateway.exchange import Exchange
from gateway.feedback_overview import Overview
from gateway.kept import Kept
from gateway.known import Known
from gateway.live import Sampler
from gateway.maps import Maps
from gateway.replies import Replies
from gateway.submit import Submitter
from gateway.traffic import Traffic

KEY: Final = "pictor"


@dataclass(frozen=True)
class Service:
    """The parts of a gateway.

    Attributes:
        link: for what is off the hot path.
        hot: carries images.
    """

    settings: Settings
    traffic: Traffic
    access: Access
    admission: Admission
    replies: Replies
    submitter: Submitter
    deferrer: Deferrer
    maps: Maps
    kept: Kept
    overview: Overview
    sampler: Sampler
    link: Keeper
    hot: Keeper

    async def start(self) -> None:
        """Connects, and returns once it is known how things stand, or that Redis is away."""
        self.access.start()
        self.kept.start()
        self.replies.start()
        self.admission.start()
        self.sampler.start()
        async with asyncio.TaskGroup() as first:
            first.create_task(self.replies.first())
            first.create_task(self.admission.first())

    async def stop(self) -> None:
        """Finishes what is under way, then disconnects."""
        await self.submitter.finish(self.settings.deadline_s)
        await self.deferrer.finish(self.settings.deadline_s)
        await self.access.stop()
        await self.kept.stop()
        await self.sampler.stop()
        await self.admission.stop()
        await self.replies.stop()
        await self.link.close()
        await self.hot.close()


def make(settings: Settings) -> Service:
    """Puts a gateway's parts together; nothing is connected yet."""
    hot = Keeper(settings.redis_url, name="gateway")
    reading = Keeper(settings.redis_url, name="gateway-read")
    replies = Replies(settings.redis_url, reading)
    admission = Admission(
        reading,
        settings.model_name,
        {
            "interactive": settings.max_backlog_interactive,
            "bulk": settings.max_backlog_bulk,
        },
    )
    traffic = Traffic(
        most_bytes=settings.max_bytes_in_flight_mb * MEGABYTE,
        most_requests=settings.max_connections,
    )
    return Service(
        settings,
        traffic,
        Access(settings, reading, lambda: admission.away),
        admission,
        replies,
        Submitter(
            hot,
            replies,
            settings.model_name,
            share=settings.cache_ttl_s > 0,
            result_ttl_s=settings.result_ttl_s,
            known=Known(settings.cache_ttl_s, admission.serves),
        ),
        Deferrer(hot, settings.model_name, settings.result_ttl_s),
        Maps(reading, settings.model_name, on=settings.explain == "on"),
        Kept(reading, settings.kept_pictures_path, settings.kept_pictures_days),
        Overview(reading),
        Sampler(admission, traffic),
        reading,
        hot,
    )


def service() -> Service:
    """The service of the app that handles this request."""
    return of(current_app)


def exchange() -> Exchange:
    """This request, as `gateway.limits` wrote it down."""
    return cast(Exchange, request.scope["state"]["exchange"])


def of(app: Quart) -> Service:
    """The service of an app."""
    found: Service = app.extensions[KEY]
    return found


def install(app: Quart, made: Service) -> None:
    """Gives an app its service."""
    app.extensions[KEY] = made
