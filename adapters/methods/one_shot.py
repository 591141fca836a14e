"""Methods that train a supernet and select from it: each a trainer and a selector by name."""

from __future__ import annotations

from harness.supernets.methods import SupernetMethod

_DARTS = "Liu, Simonyan and Yang, DARTS, ICLR 2019"
_PT = "Wang et al., Rethinking Architecture Selection in Differentiable NAS, ICLR 2021"
_DRNAS = "Chen et al., DrNAS: Dirichlet Neural Architecture Search, ICLR 2021"
_SDARTS = "Chen and Hsieh, SmoothDARTS, ICML 2020"
_SGAS = "Li et al., SGAS: Sequential Greedy Architecture Search, CVPR 2020"
_SANAS = "Hosseini and Xie, Saliency-Aware Neural Architecture Search, NeurIPS 2022"
_BALENAS = "BaLeNAS: Differentiable Architecture Search via the Bayesian Learning Rule, CVPR 2022"
_ROBUST = "Zela et al., Understanding and Robustifying DARTS, ICLR 2020"

_PT_FRAME = {"nas-bench-201": {"epochs": 100}}
"""The published code trains these supernets twice as long as DARTS's on NAS-Bench-201."""

DARTS = SupernetMethod(
    summary="DARTS of first order, selected by the magnitude of alpha",
    source=_DARTS,
    trainer="darts",
    selector="magnitude",
)

DARTS_SECOND_ORDER = SupernetMethod(
    summary="DARTS of second order, selected by the magnitude of alpha",
    source=_DARTS,
    trainer="darts",
    selector="magnitude",
    trainer_settings={"order": "second"},
)

DARTS_PT = SupernetMethod(
    summary="DARTS+PT: the supernet of DARTS, selected by perturbation",
    source=_PT,
    trainer="darts",
    selector="perturbation",
    frame=_PT_FRAME,
)

DARTS_PT_FIXED_ALPHA = SupernetMethod(
    summary="DARTS+PT (fix alpha): a supernet of uniform mixtures, selected by perturbation",
    source=f"{_PT}, Section 4.3",
    trainer="fixed-alpha",
    selector="perturbation",
    frame=_PT_FRAME,
)

PC_DARTS = SupernetMethod(
    summary="PC-DARTS: partial channels and edge normalisation",
    source="Xu et al., PC-DARTS, ICLR 2020",
    trainer="pc-darts",
    selector="magnitude",
)

GDAS = SupernetMethod(
    summary="GDAS: one drawn candidate per edge, straight-through",
    source="Dong and Yang, Searching for a Robust Neural Architecture in Four GPU Hours, CVPR 2019",
    trainer="gdas",
    selector="magnitude",
)

SNAS = SupernetMethod(
    summary="SNAS: weights drawn by Gumbel-softmax",
    source="Xie et al., SNAS, ICLR 2019",
    trainer="snas",
    selector="magnitude",
)

DRNAS = SupernetMethod(
    summary="DrNAS: weights drawn from a learnt Dirichlet distribution",
    source=_DRNAS,
    trainer="drnas",
    selector="magnitude",
)

DRNAS_PROGRESSIVE = SupernetMethod(
    summary="Progressive DrNAS: more channels and fewer candidates in the second stage",
    source=_DRNAS,
    trainer="drnas-progressive",
    selector="magnitude",
)

SDARTS_RS = SupernetMethod(
    summary="SDARTS-RS: weights trained under uniform noise on the mixture",
    source=_SDARTS,
    trainer="sdarts-rs",
    selector="magnitude",
)

SDARTS_ADV = SupernetMethod(
    summary="SDARTS-ADV: weights trained under the worst mixture nearby",
    source=_SDARTS,
    trainer="sdarts-adv",
    selector="magnitude",
)

SDARTS_RS_PT = SupernetMethod(
    summary="SDARTS-RS+PT: the supernet of SDARTS-RS, selected by perturbation",
    source=f"{_PT}, Table 2",
    trainer="sdarts-rs",
    selector="perturbation",
)

P_DARTS = SupernetMethod(
    summary="P-DARTS: three stages of increasing depth and with fewer candidates",
    source="Chen et al., Progressive Differentiable Architecture Search, ICCV 2019",
    trainer="p-darts",
    selector="magnitude",
)

PR_DARTS = SupernetMethod(
    summary="PR-DARTS: stochastic gates, regularised by groups and paths",
    source="Zhou et al., Theory-Inspired Path-Regularized Differentiable NAS, NeurIPS 2020",
    trainer="pr-darts",
    selector="magnitude",
)

SGAS = SupernetMethod(
    summary="SGAS, criterion 1: edges decided one by one by importance and certainty",
    source=_SGAS,
    trainer="sgas",
    selector="magnitude",
)

SGAS_2 = SupernetMethod(
    summary="SGAS, criterion 2: edges decided by importance, certainty and stability",
    source=_SGAS,
    trainer="sgas-2",
    selector="magnitude",
)

SGAS_PT = SupernetMethod(
    summary="SGAS+PT: SGAS decides the edges, perturbation their operations",
    source=f"{_PT}, Section 5.1 and Table 2",
    trainer="sgas",
    selector="magnitude",
    trainer_settings={"operation_rule": "deletion"},
)

DARTS_ES = SupernetMethod(
    summary="DARTS-ES: stops at a jump of the curvature in alpha",
    source=_ROBUST,
    trainer="darts-es",
    selector="magnitude",
)

DARTS_ADA = SupernetMethod(
    summary="DARTS-ADA: on a jump of the curvature returns to an earlier epoch, with more "
    "weight decay",
    source=_ROBUST,
    trainer="darts-ada",
    selector="magnitude",
)

R_DARTS_L2 = SupernetMethod(
    summary="R-DARTS (L2): the best of five weight decays",
    source=_ROBUST,
    trainer="r-darts-l2",
    selector="magnitude",
)

R_DARTS_DP = SupernetMethod(
    summary="R-DARTS (DP): the best of four rates of drop path",
    source=_ROBUST,
    trainer="r-darts-dp",
    selector="magnitude",
)

RANDOM_SELECTION = SupernetMethod(
    summary="Sentinel: a uniformly drawn architecture",
    source="sentinel",
    trainer="untrained",
    selector="random",
)

MOST_PARAMETERS = SupernetMethod(
    summary="Sentinel: the largest of some random architectures",
    source="sentinel",
    trainer="untrained",
    selector="parameters",
)

ORACLE = SupernetMethod(
    summary="Sentinel: the best architecture of the table, an upper bound",
    source="sentinel",
    trainer="untrained",
    selector="oracle",
)

RANDOM_SEARCH_WS = SupernetMethod(
    summary="Random search with weight sharing (RSPS)",
    source="Li and Talwalkar, Random Search and Reproducibility for NAS, UAI 2019",
    trainer="single-path",
    selector="sampling",
)

SETN = SupernetMethod(
    summary="SETN: a template network learns which cells are good; the best of its draws",
    source="Dong and Yang, One-Shot NAS via Self-Evaluated Template Network, ICCV 2019",
    trainer="setn",
    selector="policy-sampling",
    selector_settings={"distinct": True},
)

ENAS = SupernetMethod(
    summary="ENAS: a controller learns to draw cells; the best of its draws",
    source="Pham et al., Efficient Neural Architecture Search via Parameter Sharing, ICML 2018",
    trainer="enas",
    selector="policy-sampling",
)

SPOS = SupernetMethod(
    summary="Single path one-shot: single-path training, evolutionary search over the supernet",
    source="Guo et al., Single Path One-Shot NAS with Uniform Sampling, ECCV 2020",
    trainer="single-path",
    selector="evolution",
)

ZERO_COST_PT = SupernetMethod(
    summary="Zero-Cost-PT: perturbation of an untrained supernet, judged by a zero-cost proxy",
    source="Xiang et al., Zero-Cost Operation Scoring in Differentiable Architecture Search, "
    "AAAI 2023",
    trainer="untrained",
    selector="zero-cost-pt",
)

SYNFLOW_SAMPLING = SupernetMethod(
    summary="The best of some random architectures by synflow",
    source="Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021",
    trainer="untrained",
    selector="proxy-sampling",
    selector_settings={"proxy": "synflow"},
)

SANAS = SupernetMethod(
    summary="SANAS over DARTS of second order, as published",
    source=_SANAS,
    trainer="sanas",
    selector="magnitude",
    trainer_settings={"order": "second"},
)

SANAS_FIRST_ORDER = SupernetMethod(
    summary="SANAS over DARTS of first order",
    source=_SANAS,
    trainer="sanas",
    selector="magnitude",
)

SANAS_PC = SupernetMethod(
    summary="SANAS over PC-DARTS",
    source=_SANAS,
    trainer="sanas-pc",
    selector="magnitude",
)

SANAS_P = SupernetMethod(
    summary="SANAS over P-DARTS",
    source=_SANAS,
    trainer="sanas-p",
    selector="magnitude",
)

SANAS_PR = SupernetMethod(
    summary="SANAS over PR-DARTS",
    source=_SANAS,
    trainer="sanas-pr",
    selector="magnitude",
)

SANAS_BETTY = SupernetMethod(
    summary="SANAS over PC-DARTS, with the settings of an example of the library Betty",
    source=f"{_SANAS}; code leopard-ai/betty, saliency_aware_nas_4_level",
    trainer="sanas-pc",
    selector="magnitude",
    trainer_settings={
        "gamma": 1.0,
        "epsilon": 8 / 255,
        "target": "label",
        "steps": 7,
        "step": "sign",
        "step_size": 2 / 255,
        "alpha_every": 1,
        "second_every": 1,
        "alpha_from_epoch": 0,
    },
)

BALENAS = SupernetMethod(
    summary="BaLeNAS of first order: alpha drawn from a Gaussian, selected by its mean",
    source=_BALENAS,
    trainer="balenas",
    selector="magnitude",
)

BALENAS_SECOND_ORDER = SupernetMethod(
    summary="BaLeNAS of second order: alpha drawn from a Gaussian, selected by its mean",
    source=_BALENAS,
    trainer="balenas",
    selector="magnitude",
    trainer_settings={"order": "second"},
)

BALENAS_TF = SupernetMethod(
    summary="BaLeNAS-TF: architectures drawn from the learnt Gaussian, the best by synflow",
    source=f"{_BALENAS}, Section 3.3",
    trainer="balenas",
    selector="balenas-tf",
)

IT_NAS = SupernetMethod(
    summary="IT-NAS: candidates as tokens, selected by an indicator token's attention",
    source="IT-NAS: Integrating Lite-Transformer into NAS for Architecture Selection, 2022",
    trainer="it-nas",
    selector="indicator",
)
