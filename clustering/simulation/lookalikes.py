"""The look-alikes by name: each writes `n` requests of its kind, as frames, one per group.

A writer is called as ``writer(world, crowd, n, rng=rng)``; `crowd` are the ordinary accounts of the log.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from . import lookalikes_chat as chat
from . import lookalikes_crowd as crowd
from . import lookalikes_learning as learning
from . import lookalikes_machines as machines
from . import lookalikes_products as products

Writer = Callable[..., list[pl.DataFrame]]

WRITERS: dict[str, Writer] = {
    writer.__name__: writer
    for writer in (
        products.product_seats,
        products.open_product,
        products.api_pipelines,
        products.cron_digests,
        machines.batch_job,
        machines.translation_batch,
        machines.support_bot,
        machines.seo_farm,
        machines.ci_prompts,
        machines.retry_storm,
        crowd.viral_templates,
        crowd.marketplace,
        crowd.small_talk,
        crowd.popular_question,
        crowd.hostile_samples,
        chat.framework_default,
        chat.few_shot_chat,
        chat.shared_links,
        chat.reseller,
        chat.gateway,
        learning.benchmark,
        learning.release_benchmarking,
        learning.classroom,
        learning.hackathon,
        learning.sample_code,
        learning.try_frameworks,
    )
}
