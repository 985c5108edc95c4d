"""Whole answers, kept and given again: to the same request, or to one that means the same, with a bound on wrong answers."""

from switchwise.response_cache.cache import ResponseCache
from switchwise.response_cache.same import same_answer
from switchwise.response_cache.similar import SimilarAnswers

__all__ = ["ResponseCache", "SimilarAnswers", "same_answer"]
