"""The condensed tree and the flat clusters against the ``hdbscan`` package's code, and its tools on ours."""

import numpy as np
import pytest
from checks import check_clustering, partition
from density_cases import mixture
from oracles import full_graph
from scipy.spatial.distance import cdist

from clustering.density import ClusterSettings, cluster_graph
from clustering.density.records import to_records


def points_and_graph(seed):
    points = mixture(seed)
    return points, full_graph(cdist(points, points))


def tree_rows(records, n):
    """Rows with clusters named by their points' smallest index and weight, so that numbering is no matter."""
    rows = [tuple(row) for row in records.tolist()]
    below = {}
    for parent, child, _, size in sorted(rows, key=lambda row: -row[0]):
        smallest = child if child < n else below[child][0]
        first, total = below.get(parent, (n, 0))
        below[parent] = (min(first, smallest), total + size)
    name = {c: c if c < n else below[c] for row in rows for c in row[:2]}
    return sorted((str(name[p]), str(name[c]), round(lam, 4), size) for p, c, lam, size in rows)


@pytest.mark.parametrize("seed", range(6))
def test_the_condensed_tree_is_that_of_hdbscan(seed):
    from hdbscan import HDBSCAN

    points, graph = points_and_graph(seed)
    settings = ClusterSettings(min_cluster_size=6, min_samples=1)
    ours = cluster_graph(*graph, settings=settings)
    check_clustering(ours, settings)
    theirs = HDBSCAN(min_cluster_size=6, min_samples=1, algorithm="generic").fit(points)
    n = len(points)
    assert tree_rows(to_records(ours.tree, ours.point_weights), n) == tree_rows(
        theirs.condensed_tree_.to_numpy(), n
    )


@pytest.mark.parametrize("selection", ["eom", "leaf"])
@pytest.mark.parametrize("seed", range(6))
def test_the_packages_extraction_finds_the_same_in_our_weighted_tree(seed, selection):
    from hdbscan._hdbscan_tree import compute_stability, get_clusters

    rng = np.random.default_rng(seed)
    points, graph = points_and_graph(seed)
    weights = rng.choice([1, 1, 1, 2, 5, 30], size=len(points))
    settings = ClusterSettings(min_cluster_size=10, min_samples=4, distance_floor=0.5, selection=selection)
    ours = cluster_graph(*graph, weights=weights, settings=settings)
    records = to_records(ours.tree, weights)
    stability = compute_stability(records)
    # Without a limit of its own the package takes the number of points for one, and drops heavier clusters.
    labels, strengths, persistences = get_clusters(
        records, dict(stability), selection, max_cluster_size=int(weights.sum())
    )
    assert partition(labels) == ours.labels.tolist()
    assert ours.n_clusters > 2
    assert strengths == pytest.approx(ours.strengths, abs=1e-6)
    firsts = [np.flatnonzero(ours.labels == c)[0] for c in range(ours.n_clusters)]
    n_members = np.bincount(ours.labels[ours.labels >= 0])
    of_the_tree = ours.clusters.stabilities / (n_members * ours.tree.point_lambdas.max())
    assert persistences[labels[firsts]] == pytest.approx(of_the_tree)


@pytest.mark.parametrize("selection", ["eom", "leaf"])
@pytest.mark.parametrize("seed", range(4))
def test_exemplars_are_those_of_hdbscan(seed, selection):
    from hdbscan import HDBSCAN

    points, graph = points_and_graph(seed)
    ours = cluster_graph(
        *graph, settings=ClusterSettings(min_cluster_size=8, min_samples=1, selection=selection)
    )
    theirs = HDBSCAN(
        min_cluster_size=8,
        min_samples=1,
        algorithm="generic",
        prediction_data=True,
        cluster_selection_method=selection,
    ).fit(points)
    expected = {frozenset(map(tuple, rows.tolist())) for rows in theirs.exemplars_}
    found = [frozenset(map(tuple, points[row[row >= 0]].tolist())) for row in ours.clusters.exemplars]
    assert len(found) == len(expected) > 1
    if selection == "leaf":  # at most 2 * (8 - 1) points die with a leaf
        assert set(found) == expected
    else:  # the limit of 16 may bite
        assert all(any(few <= all_ and len(few) == min(len(all_), 16) for all_ in expected) for few in found)


def test_exemplars_are_the_heaviest_of_equals_and_limited():
    matrix = np.full((60, 60), 0.9)
    matrix[:30, :30] = matrix[30:, 30:] = 0.1
    weights = np.ones(60, dtype=np.int64)
    weights[[7, 40]] = 5
    found = cluster_graph(*full_graph(matrix), weights=weights, settings=ClusterSettings(distance_floor=0.35))
    first = [i for i in range(30) if i != 7][:15]
    assert found.clusters.exemplars.tolist() == [
        [7, *first],
        [40, *[i for i in range(30, 60) if i != 40][:15]],
    ]


def test_a_break_into_many_clusters_is_written_as_binary_splits():
    matrix = np.full((70, 70), 0.9)
    for start in range(0, 70, 10):
        matrix[start : start + 10, start : start + 10] = 0.1
    settings = ClusterSettings(min_cluster_size=10, min_samples=3, distance_floor=0.35)
    found = cluster_graph(*full_graph(matrix), settings=settings)
    assert found.tree.cluster_parents.tolist() == [-1] + [0] * 7
    records = to_records(found.tree, found.point_weights)
    splits = records[records["child_size"] > 1]
    assert set(np.unique(splits["parent"], return_counts=True)[1]) == {2}
    assert len(splits) == 12
    assert (splits["child"] > splits["parent"]).all()
    assert sorted(records["child"]) == list(range(70)) + list(range(71, 83))


def test_the_packages_plots_and_validity_work_on_ours():
    from hdbscan.validity import validity_index

    points, graph = points_and_graph(1)
    weights = np.random.default_rng(0).integers(1, 4, len(points))
    found = cluster_graph(
        *graph, weights=weights, settings=ClusterSettings(min_cluster_size=12, min_samples=3)
    )
    assert max(found.condensed_tree.get_plot_data()["bar_widths"]) == weights.sum()
    table = found.condensed_tree.to_pandas()
    assert list(table.columns) == ["parent", "child", "lambda_val", "child_size"]
    assert table.child_size[table.child < len(points)].sum() == weights.sum()
    clusters = found.condensed_tree._select_clusters()
    assert len(clusters) == found.n_clusters
    linkage = found.single_linkage_tree.to_numpy()
    assert linkage[-1, 3] == len(points)
    assert partition(found.single_linkage_tree.get_clusters(100.0, 2)) == [0] * len(points)
    edges = found.minimum_spanning_tree(points).to_numpy()
    assert np.array_equal(edges, found.edges)
    assert -1 <= validity_index(points, found.labels) <= 1


def test_the_condensed_tree_is_plotted():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    _, graph = points_and_graph(2)
    found = cluster_graph(*graph, settings=ClusterSettings(min_cluster_size=12, min_samples=3))
    axis = found.condensed_tree.plot(select_clusters=True)
    assert axis.patches
