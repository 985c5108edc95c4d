"""The coding agent of the demo: a small shop, its tests, three tickets, and what the models say to them.

The repository and its tests are real files and are really run. What the models say is scripted: the cheap one mends two of
three tickets, about as often as published outcomes let expect, and says "done" of the third, which is not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import tool

from langchain_switchwise import SwitchwiseMiddleware
from langchain_switchwise.doors.gate import SwitchwiseGate
from switchwise.gate import Gate
from switchwise_loopback import Answer, Request, ToolCall

SHOP = '''"""Prices and orders of a small shop. All amounts are in cents."""

from dataclasses import dataclass

VAT = {"DE": 19, "FR": 20, "UA": 20}
FREE_SHIPPING = 5_000


@dataclass
class Line:
    """One line of an order."""

    article: str
    price: int
    count: int = 1


def net(lines):
    """The sum of an order, without tax."""
    return sum(line.price for line in lines)


def tax(amount, country):
    """The value added tax of an amount, rounded to the nearest cent."""
    return amount * VAT[country] // 100


def shipping(amount):
    """What sending costs: nothing from 50 euros on."""
    return 0 if amount > FREE_SHIPPING else 490


def total(lines, country):
    """What the customer pays."""
    amount = net(lines)
    return amount + tax(amount, country) + shipping(amount)


def invoice(lines, country):
    """The invoice, as text."""
    rows = [f"{line.count:3} x {line.article:<24} {line.price / 100:8.2f}" for line in lines]
    amount = net(lines)
    rows.append(f"{'tax':<30} {tax(amount, country) / 100:8.2f}")
    rows.append(f"{'shipping':<30} {shipping(amount) / 100:8.2f}")
    rows.append(f"{'total':<30} {total(lines, country) / 100:8.2f}")
    return "\\n".join(rows)
'''

RULES = """You maintain the code of a shop. You get one ticket at a time, and mend it in the repository that your tools reach.

How to work:
1. Ask the explorer where the behaviour of the ticket comes from. It reads, you change: so your own conversation stays short.
2. Read the whole function before you change it, its callers too, and the tests beside it. Names that look right are no proof.
3. Change as little as the ticket needs. No renaming, no new dependencies, no reformatting of lines that the ticket does not touch.
4. Amounts are integers, in cents. Never use floating point numbers for amounts; round only where the law asks for it, half up.
5. A function does what its docstring says. Where the two differ, the docstring is right, unless the ticket says otherwise.
6. Do not change tests to make them pass. A test that contradicts the ticket is worth a remark in your answer, not an edit.
7. Keep the public names of the module: other teams import them. What begins with an underscore is yours.
8. Edge cases that have cost this shop money before: an empty order; a count of zero or many; an amount that is exactly at a
   limit; half a cent; a country without an entry; two lines of the same article; an order that was cancelled in between.
9. Tax is computed on the sum of an order, not line by line: both are legal, but the invoices of this shop promise the first.
10. Shipping is never taxed here; it is added after the tax. Free shipping is granted by the net amount, before the tax.
11. Write for the next reader: plain names, short functions, a docstring that says what comes out and in which unit.
12. When you are done, say so in one sentence, and name the function that you changed. Do not paste the code again.

What you must not do: run anything, reach the network, read files outside of the repository, or ask the customer. If the ticket
cannot be mended without that, say what is missing and stop. If two readings of a ticket are possible, take the one that the tests
support, and name the other in your answer. If a change would break an invoice that was already sent, stop and say so.

The repository: shop.py holds prices, tax, shipping and invoices; test_shop.py holds its tests, one class for each function. Invoices
are rendered by `invoice` and are read by people and by the bookkeeping of customers, so a changed column or width is a breaking
change. `total` is called by the checkout on each change of the basket, `net` by the reports at night. `VAT` is kept by the tax team."""

EXPLORER = (
    "You explore a repository for another agent. Read what you need, then say where the behaviour comes from, in two sentences."
)

TESTS = """import unittest

from shop import {uses}


class {name}(unittest.TestCase):
{cases}


if __name__ == "__main__":
    unittest.main()
"""


@dataclass(frozen=True)
class Ticket:
    """One ticket.

    Parameters:
        id: its name, and that of its session.
        text: what is asked for.
        function: what is to be changed.
        tests: the source of its tests.
        wrong: text of the file, and what the cheap model makes of it; empty: it gets it right.
        right: text of the file, and what is right.
    """

    id: str
    text: str
    function: str
    tests: str
    right: tuple[str, str]
    wrong: tuple[str, str] | None = None


def _tests(uses: str, name: str, *cases: str) -> str:
    body = "\n\n".join(f"    def test_{case.split('|')[0]}(self):\n        {case.split('|')[1]}" for case in cases)
    return TESTS.format(uses=uses, name=name, cases=body)


TICKETS = (
    Ticket(
        "SHOP-101",
        "Three mugs are billed as one: the sum of an order ignores how many were ordered.",
        "net",
        _tests(
            "Line, net",
            "Net",
            "one|self.assertEqual(net([Line('mug', 900)]), 900)",
            "three|self.assertEqual(net([Line('mug', 900, 3)]), 2700)",
        ),
        ("line.price for line", "line.price * line.count for line"),
    ),
    Ticket(
        "SHOP-102",
        "An order of exactly 50 euros is charged for shipping, although our page says that it is free from 50 euros on.",
        "shipping",
        _tests(
            "shipping",
            "Shipping",
            "below|self.assertEqual(shipping(4999), 490)",
            "at_the_limit|self.assertEqual(shipping(5000), 0)",
        ),
        ("amount > FREE_SHIPPING", "amount >= FREE_SHIPPING"),
    ),
    Ticket(
        "SHOP-103",
        "Tax is a cent too low on some invoices: it must be rounded to the nearest cent, half a cent up.",
        "tax",
        _tests(
            "tax",
            "Tax",
            "rounds_up|self.assertEqual(tax(99, 'DE'), 19)",
            "half_a_cent|self.assertEqual(tax(150, 'DE'), 29)",
            "even|self.assertEqual(tax(1000, 'FR'), 200)",
        ),
        ("amount * VAT[country] // 100", "(amount * VAT[country] + 50) // 100"),
        ("amount * VAT[country] // 100", "round(amount * VAT[country] / 100)"),  # half a cent goes to the even one
    ),
)


def check_out(ticket: Ticket, folder: Path) -> Path:
    """The repository as the ticket finds it."""
    root = folder / ticket.id
    root.mkdir(parents=True)
    (root / "shop.py").write_text(SHOP, encoding="utf-8")
    (root / "test_shop.py").write_text(ticket.tests, encoding="utf-8")
    return root


TEST_COMMAND = (sys.executable, "-B", "-m", "unittest", "-q")


def build(model: BaseChatModel, root: Path, gate: Gate) -> Runnable[Any, Any]:
    """The coding agent, its explorer, and the gate that runs the tests when it says that it is done."""

    @tool
    def read_file(path: str) -> str:
        """Read a file of the repository."""
        return (root / Path(path).name).read_text(encoding="utf-8")

    @tool
    def replace(path: str, old: str, new: str) -> str:
        """Replace a text that stands once in a file."""
        file = root / Path(path).name
        text = file.read_text(encoding="utf-8")
        if text.count(old) != 1:
            return f"Error: {old!r} stands {text.count(old)} times in {path}"
        file.write_text(text.replace(old, new), encoding="utf-8")
        return "replaced"

    explorer = create_agent(model, [read_file], system_prompt=EXPLORER, name="explorer")

    @tool
    def explore(question: str) -> str:
        """Ask the explorer a question about the repository."""
        found = explorer.invoke({"messages": [HumanMessage(question)]})
        return str(found["messages"][-1].text)

    middleware: list[AgentMiddleware[Any, Any, Any]] = [SwitchwiseMiddleware(), SwitchwiseGate(gate, root=str(root))]
    return create_agent(model, [explore, read_file, replace], system_prompt=RULES, name="coder", middleware=middleware)


def config(ticket: Ticket) -> RunnableConfig:
    """The config of a ticket's run: its session."""
    return {"configurable": {"thread_id": ticket.id}}


def answer(request: Request) -> Answer:
    """What a model says: the same steps always, and, of the cheap one, a wrong change of the third ticket."""
    turns = request.messages
    if any(turn.role == "system" and turn.text == EXPLORER for turn in turns):
        if turns[-1].role == "user":
            return _call("read_file", path="shop.py")
        return Answer("It is computed in shop.py, in the function that is named after it. Its callers are total and invoice.")
    ticket = next(ticket for ticket in TICKETS if any(ticket.text in turn.text for turn in turns if turn.role == "user"))
    asked = max(at for at, turn in enumerate(turns) if turn.role == "user")
    steps = sum(turn.role == "assistant" for turn in turns[asked:])
    cheap = ticket.wrong is not None and "deepseek" in request.model
    old, new = ticket.wrong if cheap and ticket.wrong else ticket.right
    if ticket.text not in turns[asked].text:  # the gate sent it back
        return _mended(steps, ticket)
    script = (
        _call("explore", question=f"Where does this come from? {ticket.text}"),
        _call("read_file", path="shop.py"),
        _call("replace", path="shop.py", old=old, new=new),
        Answer(f"Done: `{ticket.function}` in shop.py now does what the ticket asks for."),
    )
    return script[min(steps, 3)]


def _mended(steps: int, ticket: Ticket) -> Answer:
    """After the findings of the gate."""
    wrong = ticket.wrong or ticket.right
    script = (
        _call("replace", path="shop.py", old=wrong[1], new=ticket.right[1]),
        Answer(f"Done: `round` takes half a cent to the even one; `{ticket.function}` now rounds it up, in integers."),
    )
    return script[min(steps, 1)]


def _call(name: str, **arguments: Any) -> Answer:
    made: Mapping[str, Any] = arguments
    return Answer("", (ToolCall(name, made),))
