"""Answers for questions that mean the same: none before it has learnt, wrong ones under the bound, and never across what must be equal."""

from __future__ import annotations

import random
from zlib import crc32

import numpy as np
import pytest

from switchwise import ConfigurationError
from switchwise.response_cache import ResponseCache, SimilarAnswers, same_answer
from switchwise.response_cache.risk import Risk
from switchwise.response_cache.similar import exact_interval
from switchwise.response_cache.wording import FEATURES, features, wording

from .test_cache import Desk

TOPICS = [f"topic{i}" for i in range(40)]
WAYS = [
    "how do i handle {}",
    "what is the way to handle {}",
    "tell us how {} is handled",
    "{} handling please",
    "explain how one handles {}",
]


def embed(text):
    """Words as random vectors: numbers and "not" hardly move it, as with real embeddings."""
    vector = np.zeros(64)
    for word in text.lower().split():
        scale = 0.15 if word.isdigit() or word == "not" else 3.0 if word.startswith("topic") else 0.6
        vector += scale * np.random.default_rng(crc32(word.encode())).standard_normal(64)
    return vector


def question(rng):
    """A question, and what makes its answer: topic, number and negation."""
    topic, number, negated = rng.choice(TOPICS), rng.choice(["", " 30", " 60"]), rng.random() < 0.3
    filler = " ".join(rng.sample(["kindly", "again", "here", "then", "well", "once"], 2))
    return f"{filler} {rng.choice(WAYS).format(topic)}{' not' if negated else ''}{number}", f"{topic}{number}{negated}"


def run(bound, requests=2_500, seed=1):
    cache, rng, answers, hits, wrong, first = SimilarAnswers(bound, embed), random.Random(seed), [], 0, 0, None
    for _ in range(requests):
        text, answer = question(rng)
        vector, near = cache.propose("all", text)
        same = near is not None and answers[near.group] == answer
        if near is not None and near.serves:
            first = first or cache.report()["labels"]
            hits, wrong = hits + 1, wrong + (not same)
            if not cache.audit(near):
                continue
        cache.learn("all", text, vector, len(answers), near, None if near is None else same)
        answers.append(answer)
    return cache, hits, wrong, first


def test_the_bound_holds_where_a_fixed_similarity_does_not_and_nothing_is_given_before_it_has_learnt():
    cache, hits, wrong, first = run(0.02)
    assert first >= 300
    assert hits > 150
    assert exact_interval(wrong, hits)[0] <= 0.02
    assert wrong / hits <= 0.03
    alike = embed("how do i handle topic1 30"), embed("how do i handle topic1 60")
    assert alike[0] @ alike[1] / np.linalg.norm(alike[0]) / np.linalg.norm(alike[1]) > 0.95
    report = cache.report()
    assert report["hits"] == hits
    assert 0 < report["audited"] < hits / 5
    low, high = report["interval"]
    assert low <= report["wrong"] / report["audited"] <= high


def test_differences_in_words_are_features():
    def differing(one, other):
        return dict(zip(FEATURES, features(wording(one), wording(other), 0.95, 0.1), strict=True))

    assert differing("refund within 30 days", "refund within 60 days")["numbers"] == 1
    assert differing("is it allowed", "is it not allowed")["negation"] == 1
    assert differing("fly from Paris to London", "fly from London to Paris")["order"] == 1
    assert differing("dose of ibuprofen", "dose of paracetamol")["one word"] == 1
    assert differing("switch it on", "switch it off")["opposites"] == 1
    assert sum(differing("a refund", "the refund").values()) == pytest.approx(1 + 0.95 + 0.1 + 1)


@pytest.mark.parametrize(
    ("asked", "one", "other", "same"),
    [
        ("Which plan?", "The gold plan.", "Gold", True),
        ("How long?", "It takes 30 days", "It takes 60 days", False),
        ("Who wrote it?", "Goethe wrote it in Weimar", "Schiller, who lived in Jena", False),
        ("JSON please", '{"a": [1, 2]}', '{"a":[1,2]}', True),
        ("JSON please", '{"a": 1}', '{"a": 2}', False),
        ("JSON please", "{a: 1}", "{a: 1}", True),
        ("Is it open, yes or no?", "Yes.", "No.", None),
        ("Which is larger, A or B?", "The B", "B.", True),
        ("Is it open?", "It is open", "It is not open", None),
        ("Why?", "Because trains were late and crowded", "Since trains were late, buses full", None),
    ],
)
def test_whether_two_answers_say_the_same(asked, one, other, same):
    assert same_answer(asked, one, other) is same


class Asked(Desk):
    """A desk whose models answer by topic, number and negation."""

    def __init__(self):
        similar = SimilarAnswers(0.1, embed, same=lambda question, one, other: one == other, warm_up=60, seed=2)
        super().__init__(ResponseCache(similar=similar, size=5_000))
        self.rng = random.Random(3)

    def perform(self, call):
        words = call.view.last_user.split() if call.stored is None else []
        self.reply = self.reply.__class__(
            " ".join(sorted(word for word in words if word[:5] == "topic" or word.isdigit() or word == "not"))
        )
        yield from super().perform(call)


def test_a_router_gives_them_and_never_across_tenant_system_format_or_tools():
    desk = Asked()
    kinds = []
    for _ in range(700):
        desk.ask(question(desk.rng)[0])
        kinds.append(getattr(desk.outcome.attempt.call.stored, "kind", None))
    assert "semantic" in kinds
    assert "semantic" not in kinds[:60]
    record = desk.outcome.attempt.call.stored
    text = None
    while record is None or record.kind != "semantic":
        text, _ = question(desk.rng)
        desk.ask(text)
        record = desk.outcome.attempt.call.stored
    assert 0 < record.similarity <= 1.0001
    assert 0 <= record.risk <= 0.5
    assert set(record.record) == {"kind", "age", "similarity", "risk"}
    other = {"role": "system", "content": "Answer in French"}
    for asked in (
        {"tenant": "acme"},
        {"schema": {"type": "object"}},
        {"tools": [{"type": "function", "function": {"name": "search", "parameters": {}}}]},
        {"max_tokens": 9},
        {"target": "sol"},
        {"words": [other, {"role": "user", "content": text}]},
    ):
        desk.ask(**{"words": text, **asked})
        assert desk.outcome.attempt.call.stored is None, asked
    assert not desk.hit(f"{text} today"), "a question about a moment is nobody else's"


@pytest.mark.parametrize(("bound", "share"), [(0.002, 2 / 3), (0.01, 2 / 3), (0.02, 5 / 6), (0.05, 0.9)])
def test_a_small_bound_leaves_room_for_one_wrong_answer_more_than_expected(bound, share):
    risk = Risk(bound, warm_up=1)
    risk.label((1.0, *[0.0] * 9), "a", 0.5, True)
    for _ in range(2_000):
        assert risk.may(0.99 * share * bound)
        assert not risk.may(1.01 * share * bound)
        risk.serve(share * bound)


def test_where_nobody_asked_before_what_looks_right_is_doubted():
    risk = Risk(0.02)

    def label(similarity, group, same):
        found = (1.0, similarity, 0.1, similarity, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        risk.label(found, group, risk.of(found, group), same)
        return risk.of(found, group)

    for turn in range(1_000):
        similarity = (0.3, 0.6, 0.9)[turn % 3]
        label(similarity, turn % 20, {0.3: turn % 20 == 0, 0.6: turn % 2 == 0, 0.9: turn % 100 != 0}[similarity])
    known = label(0.9, 0, True)
    assert known < 0.05
    for turn in range(40):  # as many that look doubtful as before, and all of them are wrong
        label(0.6, 20 + turn, False)
    assert label(0.9, 0, True) > 3 * known
    for turn in range(60):
        label(0.6, turn % 20, turn % 2 == 0)
    assert label(0.9, 0, True) < 2 * known, "the traffic is the old one"


def test_the_oldest_questions_are_forgotten_and_nothing_of_them_is_kept():
    cache = SimilarAnswers(0.1, embed, size=3)
    for turn in range(12):
        vector, near = cache.propose("all", f"handle topic{turn}")
        cache.learn("all", f"handle topic{turn}", vector, ("key", turn), near, None)
    assert cache.propose("all", "handle topic11")[1].group == ("key", 11)
    assert cache.propose("all", "handle topic2")[1].similarity < 0.9
    rows = cache._partitions.get("all")
    assert (len(rows._groups), len(rows._numbers), len(rows._counts)) == (3, 3, 3)


def test_hashed_words_give_an_answer_only_where_the_words_are_the_same():
    cache = SimilarAnswers(0.5, warm_up=1, seed=1)
    for turn in range(80):
        text = f"{'how do i' if turn % 4 else 'please'} handle topic{turn % 3}"
        vector, near = cache.propose("all", text)
        cache.learn("all", text, vector, turn, near, None if near is None else True)
    assert cache.propose("all", "how can you handle topic1")[1].serves
    assert not cache.propose("all", "handle topic1 forms")[1].serves
    assert not cache.propose("all", "do not handle topic1")[1].serves


@pytest.mark.parametrize(
    "make",
    [
        lambda: SimilarAnswers(bound=0),
        lambda: SimilarAnswers(embed=3),
        lambda: SimilarAnswers(audits=0),
        lambda: SimilarAnswers(same="yes"),
        lambda: ResponseCache(similar=0.02),
    ],
)
def test_what_cannot_work_is_refused(make):
    with pytest.raises(ConfigurationError):
        make()
