"""Logs to distinct prompts, their views and their vectors. Imports nothing else of Covey's."""

from __future__ import annotations

from embedder.account_keys import load_account_key
from embedder.column_files import mapped_array, mapped_frame, write_frame
from embedder.containment import HeldTexts, common_words, held_texts, holders
from embedder.corpus import Corpus, build_corpus, load_corpus
from embedder.encoders import Encoder, load_encoder
from embedder.intake import FileRecord, within_period
from embedder.lexical import lexical_vectors
from embedder.normalise import normalise
from embedder.reading import LogBatch, LogError, read_logs
from embedder.reading.sampling import LogSample, sample_logs
from embedder.redaction import redacted
from embedder.shingles import SHINGLE_WORDS, ShingleTable, table_bits, time_shingles
from embedder.spans import SpanRule, cut_texts
from embedder.static_model import default_cache_dir, static_encoder_is_ready
from embedder.text_buffer import TextBuffer, to_buffer
from embedder.vector_cache import VectorCache
from embedder.vectors import GatheredTexts, Texts, embed
from embedder.views import Views, build_views, whole_texts
from embedder.words import BREAK, words_of

__all__ = [
    "BREAK",
    "SHINGLE_WORDS",
    "Corpus",
    "Encoder",
    "FileRecord",
    "GatheredTexts",
    "HeldTexts",
    "LogBatch",
    "LogError",
    "LogSample",
    "ShingleTable",
    "SpanRule",
    "TextBuffer",
    "Texts",
    "VectorCache",
    "Views",
    "build_corpus",
    "build_views",
    "common_words",
    "cut_texts",
    "default_cache_dir",
    "embed",
    "held_texts",
    "holders",
    "lexical_vectors",
    "load_account_key",
    "load_corpus",
    "load_encoder",
    "mapped_array",
    "mapped_frame",
    "normalise",
    "read_logs",
    "redacted",
    "sample_logs",
    "static_encoder_is_ready",
    "table_bits",
    "time_shingles",
    "to_buffer",
    "whole_texts",
    "within_period",
    "words_of",
    "write_frame",
]
