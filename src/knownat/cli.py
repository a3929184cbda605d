"""`knownat …`: commands that have effects or answer questions; each is thin."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from knownat import paths
from knownat.console import fail, prepare
from knownat.declaration import Declaration, in_utc
from knownat.errors import KnownatError

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def options(debug: Annotated[bool, typer.Option(help="Show the frames of an error.")] = False) -> None:
    if debug:
        os.environ["KNOWNAT_DEBUG"] = "1"


@app.command()
def materialize() -> None:
    """Fill the online store with what `dvc repro` made, up to the data's observed_at."""
    from knownat.online import materialize as fill
    from knownat.params import Params

    observed_at = Params.load().observed_at
    views = fill(_declaration(), observed_at)
    typer.echo(f"{views} feature views are online, as known at {observed_at:%Y-%m-%d %H:%M:%S} UTC.")


@app.command()
def features(entity: str, key: str) -> None:
    """Print an entity's online features with their ages, as of the data's observed_at."""
    declaration = _declaration()
    views = [view for view in declaration.feature_views.values() if view.entity == entity]
    if not views:
        known = dict.fromkeys(view.entity for view in declaration.feature_views.values())
        raise KnownatError(f"There is no entity '{entity}' with features; entities: {', '.join(known)}.")
    from knownat import online
    from knownat.params import Params

    observed_at = Params.load().observed_at
    store = online.filled_store(declaration, observed_at)
    found = {view.name: online.read(store, view, key) for view in views}
    if all(reading.known_at is None for readings in found.values() for reading in readings.values()):
        raise KnownatError(f"No {entity} '{key}' is in the online store; check the key, or run `knownat materialize`.")
    for view, readings in found.items():
        for name, reading in readings.items():
            age = f"{_age(observed_at - reading.known_at)} old" if reading.known_at else "never known"
            typer.echo(f"{view + '__' + name:<48} {_shown(reading.value):<28} {age}")


@app.command()
def predict(
    json_: Annotated[str, typer.Option("--json", help="The event's raw fields, as a JSON object.")],
    service: Annotated[str | None, typer.Option(help="The model's service; by default the one in params.yaml.")] = None,
) -> None:
    """Predict for an event that nobody has stored, by the declared expressions and the online history."""
    from knownat.params import Params

    params = Params.load()
    given, declaration = _fields(json_), _declaration()
    service = service or params.service
    declaration.service(service)
    from knownat.derive.request import Request
    from knownat.encoder import Encoder

    encoder = Encoder.read(paths.ENCODER)
    if encoder.service != service:
        raise KnownatError(
            f"The model here serves '{encoder.service}', not '{service}'; run `dvc exp run -S service={service}` first."
        )

    request = Request.of(declaration, service)
    request.answer(request.parsed(given))  # refuse a bad request before anything is loaded
    from knownat.online import filled_store
    from knownat.prediction import gather

    as_of, inputs = gather(request, given, filled_store(declaration, params.observed_at))
    from knownat import model

    [probability] = model.predict(model.load(paths.MODEL, encoder), encoder, {item.name: [item.value] for item in inputs})
    typer.echo(f"{declaration.outcome.name}: {probability:.4f} (service {service}, as of {as_of:%Y-%m-%d %H:%M:%S} UTC)")
    for item in (item for item in inputs if item.status not in {"computed", "known"}):
        since = f", known at {item.known_at:%Y-%m-%d %H:%M:%S} UTC" if item.status in {"too new", "stale"} and item.known_at else ""
        typer.echo(f"  not used: {item.name} ({item.status}{since})")
    from knownat.lineage import workspace_lineage

    with suppress(KnownatError):  # not all that the model was made of is here
        typer.echo(f"  lineage: {workspace_lineage()} (`knownat lineage` traces it)")


@app.command()
def audit(
    rows: Annotated[int, typer.Option(min=2, help="At most so many rows a table; always the same ones.")] = 5000,
    cut_off: Annotated[
        str | None, typer.Option(help="When the future starts: ISO, UTC, in mid-day and mid-month; by default the median event.")
    ] = None,
) -> None:
    """Scramble what came after a cut-off and compute the features anew: none may change before it."""
    from knownat.audit import audit as audited
    from knownat.params import Params

    moment = _moment("--cut-off", cut_off) if cut_off else None
    for line in audited(_declaration(), Params.load(), rows, moment):
        typer.echo(line)


@app.command()
def accept() -> None:
    """Accept the data that the gates have passed: the next version is compared with it."""
    from knownat.acceptance import accept as accepted
    from knownat.params import Params

    for line in accepted(_declaration(), Params.load()):
        typer.echo(line)


@app.command()
def diff(
    revision: Annotated[str, typer.Argument(help="A commit, branch, tag or experiment whose dvc.lock names the data.")],
    table: Annotated[list[str] | None, typer.Option(help="A table, a feature view or training_set; repeat for several.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    markdown: Annotated[bool, typer.Option(help="For a job's summary.")] = False,
) -> None:
    """Compare the workspace's tables, views and training set with a revision's, by key; exits 0 whether or not they differ."""
    if json_ and markdown:
        raise KnownatError("--json and --markdown exclude each other; choose one.")
    from knownat import difference_text
    from knownat.versions import differences

    found = differences(_declaration(), revision, table or ())
    write = difference_text.as_json if json_ else difference_text.as_markdown if markdown else difference_text.as_text
    typer.echo(write(revision, found))


@app.command()
def lineage(
    what: Annotated[
        str | None,
        typer.Argument(
            help="A lineage id (or its first digits), a tracked file or folder, or a model's input; by default the model."
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    svg: Annotated[bool, typer.Option("--svg", help="A picture, to be opened in a browser.")] = False,
    openlineage: Annotated[str | None, typer.Option(metavar="FILE-OR-URL", help="Write or send OpenLineage events.")] = None,
) -> None:
    """Print what a model or a file was made from and which commits hold it; or the columns that an input derives from."""
    if json_ + svg + bool(openlineage) > 1:
        raise KnownatError("--json, --svg and --openlineage exclude each other; choose one.")
    from knownat import column_lineage, lineage_text
    from knownat.tracing import is_name, trace

    if what and is_name(what):
        if svg or openlineage:
            raise KnownatError(f"--{'svg' if svg else 'openlineage'} shows files, and {what} is none; leave it out.")
        column = column_lineage.traced(_declaration(), what)
        typer.echo(_json(column_lineage.as_json(column)) if json_ else column_lineage.as_text(column))
        return
    found = trace(what)
    if openlineage:
        from knownat.emission import emit

        typer.echo(emit(_declaration(), found, openlineage))
    elif svg:
        from knownat.lineage_picture import as_svg

        typer.echo(as_svg(found))
    else:
        typer.echo(_json(lineage_text.as_json(found)) if json_ else lineage_text.as_text(found))


@app.command()
def gates(markdown: Annotated[bool, typer.Option(help="For a job's summary.")] = False) -> None:
    """Print what each gate found when it last ran; exits 1 if an expectation that blocks failed or a gate left no result."""
    from knownat import gate_text

    found = gate_text.tallies()
    typer.echo(gate_text.as_markdown(found) if markdown else gate_text.as_text(found))
    if not all(tally.is_open for tally in found):
        raise typer.Exit(1)


@app.command("try")
def try_(
    share: Annotated[float, typer.Option(min=0.0001, max=1, help="Of the events' entities.")] = 0.05,
    set_param: Annotated[list[str] | None, typer.Option("-S", "--set-param", help="As for `dvc exp run`; may repeat.")] = None,
) -> None:
    """Run the pipeline on a share of the entities, as a temporary experiment; the workspace stays as it is."""
    from knownat.params import Params
    from knownat.trial import trial

    for line in trial(Params.load(), share, set_param or ()):
        typer.echo(line)


@app.command()
def promote(
    check: Annotated[bool, typer.Option("--check", help="Only tell; change nothing.")] = False,
    uncompared: Annotated[bool, typer.Option("--uncompared", help="Let a champion give way that cannot be judged today.")] = False,
) -> None:
    """Make the model the champion (champion.json) if it does no worse than the one before; exits 1, with its reasons, if not."""
    from knownat.params import Params
    from knownat.promotion import decide

    decision = decide(Params.load(), paths.CHAMPION, uncompared=uncompared)
    for line in decision.lines:
        typer.echo(line)
    for reason in decision.reasons:
        typer.echo(f"Not promoted. {reason}", err=True)
    if decision.reasons:
        raise typer.Exit(1)
    if decision.champion and not check:
        decision.champion.write(paths.CHAMPION)
        typer.echo(f"Promoted. Commit {paths.CHAMPION} with dvc.lock, and `dvc push`.")
    elif decision.champion:
        typer.echo("It would be promoted.")


@app.command()
def s3(
    port: Annotated[int, typer.Option(min=1024, max=65000, help="The first of eight in a row.")] = 8333,
    folder: Annotated[Path, typer.Option(help="Where the data stays.")] = Path(".s3"),
    versioned: Annotated[list[str] | None, typer.Option(help="A bucket to have too, which keeps every version.")] = None,
    env: Annotated[
        bool, typer.Option("--env", help="Start nothing; print the server's address and credentials as exports.")
    ] = False,
) -> None:
    """Run an S3 server on this machine for DVC's remote, until Ctrl-C; endpoint and credentials go to .dvc/config.local."""
    from knownat.s3 import exports, local_bucket, run

    bucket = local_bucket(port)
    if env:
        typer.echo(exports(bucket))
        return
    run(folder.resolve(), port, bucket, versioned or ())


@app.command()
def push(timeout: Annotated[float, typer.Option(min=1, help="Seconds after which to give up.")] = 3600) -> None:
    """Send data, models and what the run cache needs to the remote, and see that all of it is there."""
    from knownat.remote import transfer

    transfer("push", timeout)


@app.command()
def pull(timeout: Annotated[float, typer.Option(min=1, help="Seconds after which to give up.")] = 3600) -> None:
    """Fetch the data and models that dvc.lock names, and the run cache; see that all of it is here and undamaged."""
    from knownat.remote import transfer

    transfer("pull", timeout)


@app.command()
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended without guessing, then look again.")] = False,
    remote: Annotated[bool, typer.Option("--remote", help="Read every object on the remote too.")] = False,
) -> None:
    """Look for what a crash, a full disk or a bad disk leaves behind; exits 1 if something is wrong."""
    from knownat.doctor.examine import CHECKS, REMOTE, examine, mend
    from knownat.newer import newer_versions

    checks = {**CHECKS, **(REMOTE if remote else {})}
    found, tried = list(examine(checks)), set[str]()
    # what is mended may show more: the files of a folder whose listing was gone
    while fix and (new := [finding for finding in found if finding.fix and finding.problem not in tried]):
        for line in mend(new):
            typer.echo(line)
        tried |= {finding.problem for finding in new}
        found = list(examine(checks))
    for finding in found:
        typer.echo(f"{finding.problem} {finding.remedy}" + (" (`--fix` does it.)" if finding.fix else ""))
    if not found:
        typer.echo(f"Nothing is wrong. Looked at: {', '.join(checks)}.")
    for line in newer_versions():
        typer.echo(line)
    if found:
        raise typer.Exit(1)


def _moment(option: str, text: str) -> datetime:
    try:
        return in_utc(datetime.fromisoformat(text))
    except ValueError as error:
        raise KnownatError(f"{option}: '{text}' is no moment; write it as 2016-01-01 or 2016-01-01T09:00:00Z.") from error


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, default=str)


def _declaration() -> Declaration:
    return Declaration.read(paths.compiled("report"))


def _fields(text: str) -> dict[str, Any]:
    def refuse(constant: str) -> Any:
        raise KnownatError(f"--json: {constant} is no JSON number; send a finite one or null.")

    try:
        given = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise KnownatError(f"--json is not valid JSON: {error.msg} at character {error.pos}; correct it.") from error
    if not isinstance(given, dict):
        raise KnownatError("--json holds no object; write it as '{\"field\": value}'.")
    return given


def _age(age: Any) -> str:
    return f"{age.days} d" if age.days else f"{age.seconds // 3600} h {age.seconds % 3600 // 60} min"


def _shown(value: Any) -> str:
    return "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def main() -> None:
    prepare()
    try:
        app()
    except KnownatError as error:
        fail(error)


if __name__ == "__main__":
    main()
