"""Jobs without Redis and without Celery: one process, a file for each site.

What crawls is imported when it is used: most who look at jobs, or start those of the workers, never do.
"""

from __future__ import annotations

from orchestrator.core.lazy import lazily

__getattr__ = lazily(__name__, {"LocalCrawl": "crawl", "LocalRun": "run"})
