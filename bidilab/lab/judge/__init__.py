"""Calls that happened, of any agent: how fast it yields, how often it stops falsely and why, how it answers.

What each number means, what it rests on and what the sound alone cannot know: ``docs/judge.md``.
"""

from bidilab.lab.judge.judged import JudgedCalls
from bidilab.lab.judge.rule import JudgeRule
from bidilab.lab.judge.run import judge

__all__ = ["JudgeRule", "JudgedCalls", "judge"]
