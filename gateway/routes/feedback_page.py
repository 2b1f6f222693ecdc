"""The page ``/feedback``, which works without JavaScript, and what can be taken away there."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from quart import Blueprint, Response, redirect, render_template, request
from werkzeug import Response as Redirect

from common import logs, wire
from common.errors import BY_CODE, BrokerAway, CannotKeep, RequestError
from common.link import LinkLost, ReplyError
from gateway import feedback, feedback_export, feedback_facts
from gateway.feedback import Entry
from gateway.feedback_facts import Facts
from gateway.feedback_figures import Figures
from gateway.routes.feedback import withdraw, written
from gateway.service import exchange, service

reports_page = Blueprint("reports_page", __name__)
log = logs.get(__name__)


@reports_page.get("/feedback")
async def reports_shown() -> str | tuple[str, int]:
    """What was reported, and a form for more."""
    code = request.args.get("error")
    try:
        return await _page(error=BY_CODE.get(code, RequestError) if code else None)
    except (LinkLost, ReplyError) as error:
        log.warning("reports cannot be read", reason=str(error))
        page = await _show([], 0, Figures(), error=BrokerAway, away=True)
        return page, BrokerAway.status


@reports_page.post("/feedback")
async def report() -> str | Redirect:
    """Stores the form field ``report``, or takes back what the field ``undo`` is the token of."""
    form = await request.form
    if form.get("undo"):
        await withdraw(form["undo"])
        return await _page(withdrawn=True)
    answered = form.get("label", "")[: feedback.LONGEST_LABEL]
    text = form.get("report", "").strip()[: feedback.LONGEST_TEXT]
    if not text and not answered:
        return redirect("/feedback")
    token = await feedback.store(
        service().link, await _of_form(form.get("id", ""), answered, text)
    )
    return await _page(token=token)


@reports_page.get("/feedback/export.jsonl")
async def export() -> Response:
    """All reports, one a line."""
    here = service()
    made = feedback_export.lines(here.link, here.kept)
    return await _download(made, "application/x-ndjson", "pictor-feedback.jsonl")


@reports_page.get("/feedback/pictures.zip")
async def pictures() -> Response:
    """The pictures that are kept, by category, and all reports."""
    here = service()
    made = feedback_export.archive(here.link, here.kept)
    return await _download(made, "application/zip", "pictor-pictures.zip")


async def _of_form(request_id: str, answered: str, text: str) -> wire.Report:
    """A report from the form; a text that names a category is one."""
    if not answered:
        return written("", "", Facts(), "", text)
    here, facts, label = service(), Facts(answered), ""
    if feedback_facts.is_id(request_id):
        owner = exchange().caller.owner
        facts = await feedback_facts.of(here.link, request_id, owner, facts)
    else:
        request_id = ""
    if text:
        digest = facts.model_digest
        known = await feedback_facts.labels(here.link, here.admission, digest)
        label = feedback_facts.named(text, known)
    if label == facts.answered:  # it says nothing else
        return written(request_id, "wrong", facts, "", text)
    return written(request_id, "wrong", facts, label, "" if label else text)


async def _page(
    *,
    token: str = "",
    withdrawn: bool = False,
    error: type[RequestError] | None = None,
) -> str:
    here = service()
    entries, total = await feedback.recent(here.link)
    newest = entries[0].id if entries else ""
    figures = await here.overview.figures(newest, total)
    return await _show(
        entries, total, figures, token=token, withdrawn=withdrawn, error=error
    )


async def _show(
    entries: list[Entry], total: int, figures: Figures, **said: object
) -> str:
    here = service()
    try:
        pictures_kept = len(await here.kept.files())
    except CannotKeep:
        said["error"] = said.get("error") or CannotKeep
        pictures_kept = 0
    return await render_template(
        "feedback.html",
        recent=entries,
        total=total,
        figures=figures,
        most=feedback.KEPT,
        in_words=feedback.in_words,
        settings=here.settings,
        pictures=pictures_kept,
        **said,
    )


async def _download(
    made: AsyncGenerator[bytes, None], content_type: str, name: str
) -> Response:
    """Streams what is made; that it cannot be begun is still an answer of its own."""
    first = await anext(made, b"")
    asked = request.method == "GET"  # HEAD asks for the headers alone

    async def body() -> AsyncIterator[bytes]:
        async with aclosing(made):  # closes its files when the client leaves
            yield first
            if asked:
                async for piece in made:
                    yield piece

    headers = {
        "Content-Type": content_type,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return Response(body(), 200, headers)
