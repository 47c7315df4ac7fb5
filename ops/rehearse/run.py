"""``./dev rehearse``: a flash sale of shadow units with a crowd of your choice, and its proof.

Exit code 0: every unit sold once, everybody has a final answer, gate, database and bank agree.
"""

import argparse
import random
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from ops.demo.run import ENVIRONMENT
from ops.rehearse.crowd import send_in
from ops.rehearse.kills import KINDS, kills
from ops.rehearse.plan import Wishes, plans
from ops.rehearse.report import table
from ops.rehearse.settling import settled_facts
from ops.rehearse.stage import Stage
from ops.rehearse.verdict import faults
from ops.stack.layout import CHECKOUT
from ops.stack.parts import ALL, EVENTS, ON_REQUEST
from ops.stack.stack import Stack

# What a sale does not need would take the machine from the crowd.
_SPARED = ("flower", "worker-webhook", *EVENTS, *ON_REQUEST)
_PARTS = tuple(part for part in ALL if part not in _SPARED)


def main(argv: list[str]) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    wishes = Wishes(
        units=options.units,
        crowd=options.crowd,
        declines=options.declines,
        abandon=options.abandon,
        double_click=options.double_click,
        bots=options.bots,
        hold_seconds=options.hold,
        rate=options.rate,
        challenge=options.challenge,
        spread_seconds=options.spread,
        patience_seconds=options.patience,
        seed=options.seed,
    )
    if problem := problem_of(wishes):
        parser.error(problem)
    with Stack("rehearse", fresh=True, environment=ENVIRONMENT, parts=_PARTS) as stack:
        held = [_rehearse(stack, wishes, options, number) for number in range(options.runs)]
    if options.runs > 1:
        print(f"{sum(held)} of {options.runs} rehearsals held.")
    return 0 if all(held) else 1


def problem_of(wishes: Wishes) -> str:
    """What is wrong with the numbers; empty when they are good."""
    if wishes.units < 1 or wishes.crowd < 1 or wishes.rate < 1:
        return "--units, --crowd and --rate must be 1 or more."
    if wishes.hold_seconds < 10:
        return "--hold must be 10 seconds or more: nobody can pay faster."
    shares = wishes.declines + wishes.abandon + wishes.bots
    if shares > 1:
        return f"--declines, --abandon and --bots are {shares:.0%} together: 100% is everybody."
    return ""


def _rehearse(stack: Stack, wishes: Wishes, options: argparse.Namespace, number: int) -> bool:
    began = time.monotonic()
    stage = Stage.set_up(stack, wishes)
    base = stack.urls["shop"].rstrip("/")
    print(f"\n{wishes.units} units, {wishes.crowd:,} people, at {base}{stage.path}")
    dice = random.Random(wishes.seed + number)
    crowd = plans(wishes)
    with ExitStack() as during:
        hit: Counter[str] = Counter()
        if options.kill:
            hit = during.enter_context(kills(stack, options.kill, stage.starts_in_seconds(), dice))
        visits = send_in(base, stage.path, crowd, wishes.patience_seconds)
    print("Everybody has left. Waiting until nothing is in flight, then the proof.\n")
    facts = settled_facts(stage)
    holds, words = stage.proof()
    print(table(visits, facts))
    if hit:
        print("  killed: " + ", ".join(f"{times} × {part}" for part, times in hit.items()))
    print(f"\n{words}\n")
    _draw(stage, options.plots, number)
    undisturbed = not options.kill
    found = list(faults(wishes, visits, facts, proof_holds=holds, undisturbed=undisturbed))
    for line in found[:20]:
        print(f"  BROKEN: {line}")
    if len(found) > 20:
        print(f"  … and {len(found) - 20} more")
    stage.end()
    seconds = time.monotonic() - began
    print(f"{'It did not hold' if found else 'It held'} ({seconds:.0f} s).")
    return not found


def _draw(stage: Stage, file: Path, number: int) -> None:
    target = file if number == 0 else file.with_stem(f"{file.stem}-{number + 1}")
    target.parent.mkdir(parents=True, exist_ok=True)
    stage.draw(target)
    print(f"Plots: {target}")


def _share(text: str) -> float:
    """``10%`` and ``0.1`` are the same."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no share. Write 10% or 0.1.") from None
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no share: give 0% to 100%.")
    return value


def _parser() -> argparse.ArgumentParser:
    usual = Wishes()
    parser = argparse.ArgumentParser(prog="./dev rehearse", description=__doc__)
    add = parser.add_argument
    add("--units", type=int, default=usual.units, help="units of the sale (100)")
    add("--crowd", type=int, default=usual.crowd, help="people who come (5000)")
    add("--declines", type=_share, default=usual.declines, help="whose card fails (10%%)")
    add("--abandon", type=_share, default=usual.abandon, help="who do not pay (10%%)")
    add("--double-click", type=_share, default=usual.double_click, help="who hit twice (20%%)")
    add("--bots", type=_share, default=usual.bots, help="forgers and many-named households (2%%)")
    add("--hold", type=int, default=usual.hold_seconds, help="seconds a ticket lasts (20)")
    add("--rate", type=int, default=usual.rate, help="people let through each second (50)")
    add("--challenge", type=int, default=0, help="hashes that each person does at most (0)")
    add("--spread", type=float, default=usual.spread_seconds, help="seconds of the rush (3)")
    add("--patience", type=float, default=usual.patience_seconds, help="seconds at most (300)")
    add("--kill", choices=KINDS, default="", help="kill -9 these while it runs")
    add("--runs", type=int, default=1, help="how often, each a sale of its own (1)")
    add("--seed", type=int, default=usual.seed, help="of the crowd and the kills")
    add("--plots", type=Path, default=CHECKOUT / ".stack" / "rehearsal.svg", help="SVG file")
    return parser
