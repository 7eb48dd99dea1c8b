"""Ops of ai.onnx.ml, optimisers, and the standard's withdrawn experiments."""

import numpy as np

from kit import NP, Case
from shapes import i64

MAKERS = {}
ML = "ai.onnx.ml"


def maker(*names, domain=ML):
    def register(f):
        for n in names:
            MAKERS[(domain, n)] = f
        return f
    return register


def ml(name, since, inputs, attrs=None, outputs=1, **more):
    return Case(name, since, inputs, attrs, outputs, domain=ML, **more)


@maker("ArrayFeatureExtractor")
def extractor(r, name, since, s):
    n = r.int(2, 5)
    x = r.array((*r.shape(0, 2, empty=0), n), r.pick("float", "double", "int64", "int32", "string"))
    return ml(name, since, [x, r.array((1, r.int(1, 4)) if r.chance() else (r.int(1, 4),), "int64", 0, n - 1)])


@maker("Binarizer")
def binarizer(r, name, since, s):
    return ml(name, since, [r.array(r.shape(1, 3, empty=0))], {"threshold": 0.5} if r.chance() else {})


@maker("CategoryMapper")
def category(r, name, since, s):
    attrs = {"cats_int64s": [1, 2, 3], "cats_strings": ["a", "b", "abc"], "default_int64": -7, "default_string": "none"}
    return ml(name, since, [r.array((4,), "string") if r.chance() else r.array((2, 3), "int64", 0, 5)], attrs)


@maker("FeatureVectorizer")
def feature_vectorizer(r, name, since, s):
    a, b = r.int(1, 3), r.int(1, 3)
    t = r.pick("float", "double", "int64", "int32")
    return ml(name, since, [r.array((2, a), t), r.array((2, b), t)], {"inputdimensions": [a, b]})


@maker("Imputer")
def imputer(r, name, since, s):
    n = r.int(1, 4)
    if r.chance():
        x = r.array((2, n), odd=0.3)
        values = [float(v) for v in r.array((n if r.chance() else 1,), "float")]
        return ml(name, since, [x], {"imputed_value_floats": values, "replaced_value_float": r.pick(float("nan"), 0.5)})
    return ml(name, since, [r.array((2, n), "int64", 0, 2)], {"imputed_value_int64s": [int(v) for v in r.array((n,), "int64")], "replaced_value_int64": 1})


@maker("LabelEncoder")
def label_encoder(r, name, since, s):
    shape = r.shape(1, 2, empty=0)
    if since == 1:
        x = r.array(shape, "string") if r.chance() else r.array(shape, "int64", 0, 4)
        return ml(name, since, [x], {"classes_strings": ["a", "b", "abc"], "default_int64": -3, "default_string": "?"})
    keys, values = r.pick("strings", "int64s", "floats"), r.pick("strings", "int64s", "floats")
    pool = {"strings": ["a", "b", "abc"], "int64s": [1, 2, 3], "floats": [0.5, 1.0, float("nan")]}
    out = {"strings": ["p", "q", "r"], "int64s": [5, 6, 7], "floats": [0.25, 0.5, 0.75]}
    x = r.array(shape, "string") if keys == "strings" else r.array(shape, "int64", 0, 4) if keys == "int64s" else np.array(r.np.choice([0.5, 1.0, 2.0, np.nan], size=shape), np.float32)
    attrs = {f"keys_{keys}": pool[keys], f"values_{values}": out[values]}
    if r.chance():
        attrs[{"strings": "default_string", "int64s": "default_int64", "floats": "default_float"}[values]] = {"strings": "d", "int64s": 99, "floats": -9.0}[values]
    return ml(name, since, [x], attrs)


POST = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


@maker("LinearRegressor")
def linear_regressor(r, name, since, s):
    n, t = r.int(1, 4), r.int(1, 3)
    post = r.pick("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")
    return ml(name, since, [r.array((r.int(1, 3), n))], {"coefficients": [float(v) for v in r.array((n * t,))], "targets": t, "post_transform": post, **({"intercepts": [float(v) for v in r.array((t,))]} if r.chance() else {})}, atol=1e-4)


@maker("LinearClassifier")
def linear_classifier(r, name, since, s):
    n, e = r.int(1, 4), r.int(2, 4)
    labels = {"classlabels_ints": list(range(3, 3 + e))} if r.chance() else {"classlabels_strings": [f"c{i}" for i in range(e)]}
    return ml(name, since, [r.array((r.int(1, 3), n), r.pick("float", "double", "int64", "int32"))],
              {"coefficients": [float(v) for v in r.array((n * e,))], "intercepts": [float(v) for v in r.array((e,))], "post_transform": r.pick("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"), **labels}, outputs=2, atol=1e-4)


@maker("Normalizer")
def normalizer(r, name, since, s):
    return ml(name, since, [r.array((r.int(1, 3), r.int(1, 4)), r.pick("float", "double", "int64", "int32"))], {"norm": r.pick("MAX", "L1", "L2")})


@maker("OneHotEncoder")
def one_hot(r, name, since, s):
    shape = r.shape(1, 2, empty=0)
    if r.chance():
        return ml(name, since, [r.array(shape, "string")], {"cats_strings": ["a", "b", "abc"], "zeros": 1})
    return ml(name, since, [r.array(shape, r.pick("int64", "int32", "float", "double"), 0, 3)], {"cats_int64s": [0, 1, 3], "zeros": 1})


@maker("Scaler")
def scaler(r, name, since, s):
    n = r.int(1, 4)
    k = n if r.chance() else 1
    return ml(name, since, [r.array((2, n), r.pick("float", "double", "int64", "int32"))], {"offset": [float(v) for v in r.array((k,))], "scale": [float(v) for v in r.array((k,))]})


@maker("SVMRegressor")
def svm_regressor(r, name, since, s):
    n, k = r.int(1, 3), r.int(1, 4)
    kernel = r.pick("LINEAR", "POLY", "RBF", "SIGMOID")
    return ml(name, since, [r.array((2, n))], {"coefficients": [float(v) for v in r.array((k,))], "support_vectors": [float(v) for v in r.array((k * n,))], "n_supports": k, "kernel_type": kernel, "kernel_params": [0.3, 0.2, 2.0], "rho": [0.5],
                                               "post_transform": "NONE"}, atol=1e-4)


@maker("SVMClassifier")
def svm_classifier(r, name, since, s):
    n, classes = r.int(1, 3), r.int(2, 3)
    per = [r.int(1, 2) for _ in range(classes)]
    k = sum(per)
    attrs = {"coefficients": [float(v) for v in r.array(((classes - 1) * k,))], "support_vectors": [float(v) for v in r.array((k * n,))], "vectors_per_class": per, "kernel_type": r.pick("LINEAR", "RBF", "POLY"), "kernel_params": [0.3, 0.2, 2.0],
             "rho": [float(v) for v in r.array((classes * (classes - 1) // 2,))], "classlabels_ints": list(range(classes)), "post_transform": r.pick("NONE", "SOFTMAX", "LOGISTIC")}
    if r.chance(0.4):
        pairs = classes * (classes - 1) // 2
        attrs["prob_a"] = [float(v) for v in r.array((pairs,), "float", -2, -0.5)]
        attrs["prob_b"] = [float(v) for v in r.array((pairs,))]
    return ml(name, since, [r.array((2, n))], attrs, outputs=2, atol=1e-4)


def forest(r, features, leaves_per_tree):
    """Trees of three nodes: one split and two leaves, or one leaf alone."""
    trees, nodes, feats, values, modes, yes, no, missing = [], [], [], [], [], [], [], []
    leaves = []
    for t in range(r.int(1, 3)):
        add = lambda node, mode, feature=0, value=0.0, a=0, b=0: (trees.append(t), nodes.append(node), modes.append(mode), feats.append(feature), values.append(value), yes.append(a), no.append(b), missing.append(r.int(0, 1)))
        add(0, r.pick("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ") if r.chance(0.5) else "BRANCH_LEQ", r.int(0, features - 1), float(np.float32(r.np.uniform(-1, 1))), 1, 2)
        add(1, "LEAF")
        add(2, "LEAF")
        leaves += [(t, 1), (t, 2)]
    attrs = {"nodes_treeids": trees, "nodes_nodeids": nodes, "nodes_featureids": feats, "nodes_values": values, "nodes_modes": modes, "nodes_truenodeids": yes, "nodes_falsenodeids": no, "nodes_missing_value_tracks_true": missing}
    return attrs, leaves


@maker("TreeEnsembleRegressor")
def tree_regressor(r, name, since, s):
    n, targets = r.int(1, 3), r.int(1, 2)
    attrs, leaves = forest(r, n, targets)
    attrs.update(target_treeids=[t for t, _ in leaves], target_nodeids=[k for _, k in leaves], target_ids=[r.int(0, targets - 1) for _ in leaves], target_weights=[float(v) for v in r.array((len(leaves),))], n_targets=targets,
                 aggregate_function=r.pick("SUM", "AVERAGE", "MIN", "MAX"), post_transform=r.pick("NONE", "SOFTMAX", "LOGISTIC"))
    if r.chance():
        attrs["base_values"] = [float(v) for v in r.array((targets,))]
    return ml(name, since, [r.array((3, n), r.pick("float", "double") if since >= 3 else "float", odd=0.05)], attrs, atol=1e-4)


@maker("TreeEnsembleClassifier")
def tree_classifier(r, name, since, s):
    n, classes = r.int(1, 3), r.int(2, 3)
    attrs, leaves = forest(r, n, classes)
    binary = classes == 2 and r.chance()
    labels = {"classlabels_int64s": list(range(1, classes + 1))} if r.chance() else {"classlabels_strings": [f"c{i}" for i in range(classes)]}
    attrs.update(class_treeids=[t for t, _ in leaves], class_nodeids=[k for _, k in leaves], class_ids=[0 if binary else r.int(0, classes - 1) for _ in leaves], class_weights=[float(v) for v in r.array((len(leaves),))],
                 post_transform=r.pick("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"), **labels)
    if r.chance(0.4) and not binary:
        attrs["base_values"] = [float(v) for v in r.array((classes,))]
    return ml(name, since, [r.array((3, n), odd=0.05)], attrs, outputs=2, atol=1e-4)


@maker("Adagrad", domain="ai.onnx.preview.training")
def adagrad(r, name, since, s):
    x = r.array((3,))
    return Case(name, since, [np.array(0.1, np.float32), np.array(r.int(0, 3), np.int64), x, r.array((3,)), r.array((3,), "float", 0, 2)], {"norm_coefficient": 0.1, "decay_factor": 0.2, "epsilon": 1e-3}, outputs=2, domain="ai.onnx.preview.training")


@maker("Momentum", domain="ai.onnx.preview.training")
def momentum(r, name, since, s):
    return Case(name, since, [np.array(0.1, np.float32), np.array(r.int(0, 3), np.int64), r.array((3,)), r.array((3,)), r.array((3,))], {"alpha": 0.9, "beta": 0.8, "norm_coefficient": 0.1, "mode": r.pick("standard", "nesterov")}, outputs=2, domain="ai.onnx.preview.training")


@maker("Adam", domain="ai.onnx.preview.training")
def adam(r, name, since, s):
    return Case(name, since, [np.array(0.1, np.float32), np.array(r.int(0, 3), np.int64), r.array((3,)), r.array((3,)), r.array((3,)), r.array((3,), "float", 0, 2)], {"alpha": 0.9, "beta": 0.8, "norm_coefficient": 0.1, "epsilon": 1e-3}, outputs=3, domain="ai.onnx.preview.training")


# ---- experiments that onnxruntime still runs up to opset 9

@maker("ImageScaler", domain="")
def image_scaler(r, name, since, s):
    return Case(name, since, [r.array((1, 2, 3, 3))], {"bias": [0.5, -1.0], "scale": 2.0})


@maker("Crop", domain="")
def crop(r, name, since, s):
    attrs = {"border": r.ints(4, 0, 1)}
    if r.chance():
        attrs["scale"] = [2, 2]
    return Case(name, since, [r.array((1, 2, 5, 5))], attrs)


@maker("Affine", "ParametricSoftplus", "ScaledTanh", domain="")
def two(r, name, since, s):
    return Case(name, since, [r.array(r.shape(1, empty=0))], {"alpha": 0.7, "beta": 0.4})


@maker("Scale", domain="")
def scale(r, name, since, s):
    return Case(name, since, [r.array(r.shape(1, empty=0))], {"scale": 0.7})
