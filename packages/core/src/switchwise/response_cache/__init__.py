"""Cache whole answers: for the same request, or for one with the same meaning, with a bound on wrong answers."""

from switchwise.response_cache.cache import ResponseCache
from switchwise.response_cache.same import same_answer
from switchwise.response_cache.similar import SimilarAnswers

__all__ = ["ResponseCache", "SimilarAnswers", "same_answer"]
