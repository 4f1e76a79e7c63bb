"""Logs to distinct prompts, their views and their vectors. Imports nothing else of Covey's."""

from __future__ import annotations

from embedder.corpus import Corpus, FileRecord, build_corpus
from embedder.normalise import normalise
from embedder.reading import LogBatch, LogError, read_logs

__all__ = ["Corpus", "FileRecord", "LogBatch", "LogError", "build_corpus", "normalise", "read_logs"]
