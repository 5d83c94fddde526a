"""Questions that no document of AWS answers, asked of an account: `loudhailer probe`.

`question.py` has the form of a question, `questions/` the questions, `site.py` the place where they are asked. An API,
two queues and a tenant of the probe's own (`own_*.py`) are all that it makes, and it removes them.
"""
