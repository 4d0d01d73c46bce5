"""docs/game_days.md: what can be rehearsed, what that proves, and how long it took, by the figures
that `make rehearse-incidents` writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from onyx_pipelines.readiness.decision_tree import Question, decision_tree
from onyx_pipelines.readiness.rehearsals.figures import figures_table, load_text, read_figures
from onyx_pipelines.readiness.rehearsals.scenarios import SCENARIOS, Scenario
from onyx_pipelines.reporting.markdown import table_markdown

FIGURES: Final = Path(__file__).with_name("game_days.json")

_HEAD = """\
# Game days

<!-- Written from onyx_pipelines/readiness/rehearsals/scenarios.py by `make docs`: change that. -->

A playbook that nobody has followed is a guess. `onyx rehearse` breaks a sandbox for real in the
ways of the six playbooks (docs/INCIDENTS.md), one after the other:

1. it waits until all is well, and breaks it;
2. it waits for the alert, as it reaches people (Prometheus, Alertmanager, webhook): **detect**;
3. it types `onyx triage`: is the right playbook named first? **Diagnose**;
4. it types the commands of that playbook's resolution, as they are written, one after the other:
   those whose condition the diagnosis confirmed, and those that are only needed where what came
   before did not help; what is to be filled in is taken from what the commands before have said;
5. it waits until all that the playbook measures in the end is well: **repair**; then until people
   have been told that it is over;
6. it puts right whatever is left, and writes down what happened.

```sh
onyx rehearse --list                        # what there is, and how the last ones went
onyx rehearse vector-db-corruption --dry-run   # what would be broken and typed; changes nothing
onyx rehearse vector-db-corruption
onyx rehearse --all                         # a quarter of an hour
make rehearse-incidents                     # five times each: the table below
```

Each rehearsal is a file in `rehearsals/` below ONYX_STATE_DIR (in the sandbox where no host is
configured), the last of each playbook a page in the reports, and the asset `incident_playbooks` in
Dagster, whose check `rehearsed_within_90_days` passes when all six have passed within
ONYX_REHEARSAL_MAX_AGE_DAYS; what was never rehearsed is not known to work. With ONYX_REHEARSALS
Dagster rehearses each quarter by itself.

## What is broken, and what else

Only a sandbox, one of its own beside that of `make demo` (`--state-dir` names another). A directory
that is neither empty nor a sandbox's is refused, and so is a sandbox whose settings lead to a
server that it did not start itself. What is broken is noted before it is: after Ctrl-C it is put
right at once, after `kill -9` by the next `onyx rehearse` or `onyx sandbox up`.
"""

_PROVES = """\
## What it proves, and what not

Real are: Prometheus, Alertmanager, the exporters, the rules and routes that are deployed,
PostgreSQL, Redis, nginx, `onyx` and its backups, restores and triage, `openssl`, and the text of
each command, which a shell gets as it stands in the playbook.

Not real are:

- `docker`: the sandbox has no Compose project. Its `docker` knows the commands that playbooks type
  and does to the sandbox's processes what Compose would do to containers. That a service is called
  so in your `compose.yml`, and that your user may use Docker, it does not prove.
- `certbot`: it signs the certificate itself. It proves nothing of DNS, port 80 or the authority.
- Qdrant, LiteLLM and the front end: stand-ins of the sandbox. The Qdrant stand-in runs Qdrant's own
  storage engine, so the damaged files are such; it ends as a server does that cannot load them.
- The pace: the sandbox scrapes every 2 s, not 15 s, and alerts wait an eighth of their time. In
  production add to *detect*: up to 30 s for scraping and evaluating, 10 s for grouping, and what
  the alert itself waits (docs/monitoring.md). *Diagnose* and *repair* do not depend on it.
- The person: nobody reads, hesitates or asks. These are the times that the machinery needs.
- Load: nobody uses the stack meanwhile, and no two things break at once.
"""


def page() -> str:
    """The whole page, in Markdown."""
    lines = [_HEAD, *_broken(), "", _PROVES, *_measured(), *_paths()]
    return "\n".join(lines) + "\n"


def _broken() -> Iterator[str]:
    yield "| playbook | what is done to the sandbox | the alert |"
    yield "|---|---|---|"
    for each in SCENARIOS.values():
        link = f"[{each.id}](INCIDENTS.md#{each.playbook.value})"
        yield f"| {link} | {each.breaks} | {' or '.join(sorted(each.alerts))} |"


def _measured() -> Iterator[str]:
    if not FIGURES.exists():
        return
    found = read_figures(FIGURES)
    yield "## How long it took"
    yield ""
    yield f"Medians of those that there are. {load_text(found)} Two cores."
    yield "None of one `onyx rehearse --all` is left out. `make rehearse-incidents` measures anew."
    yield ""
    yield table_markdown(figures_table(found))
    yield ""


def _paths() -> Iterator[str]:
    yield "## By hand"
    yield ""
    yield "The decision tree, followed from what somebody sees alone:"
    for each in SCENARIOS.values():
        yield ""
        yield f"**{each.id}.** {each.symptoms}"
        yield ""
        yield from (f"{number}. {line}" for number, line in enumerate(_asked(each), 1))


def _asked(scenario: Scenario) -> Iterator[str]:
    question: Question | None = decision_tree()
    for words in scenario.answers:
        if question is None:
            return
        answer = next(each for each in question.answers if each.answer == words)
        end = f" → {answer.playbook.value}" if answer.playbook else ""
        yield f"{question.asks} *{words}*{end}"
        question = answer.then
