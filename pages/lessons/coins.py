"""Two coins and the linkage data: EM in five minutes, and the example that it was introduced with."""

import streamlit as st

from emcore import tosses
from emcore.figures.coins import coins_figure, linkage_figure
from emcore.models import BinomialMixture, Linkage, LinkageParameters
from emcore.scene import every_share
from emcore.sources.coins import EXAMPLES, CoinExample, LinkageCounts, OwnTosses
from pages.parts import coins, controls, run, story
from pages.parts.text import plain

visit = controls.begin("coins", coins.OFFER)
values = visit.values


# ---- Choices ----------------------------------------------------------------------------------------------

with st.sidebar:
    st.subheader("Data")
    example = controls.example(
        "tosses", coins.TITLES, "Choosing one also sets the model, the start and the run up for it."
    )
    linkage, own = example == "linkage", example == "own"
    if not linkage and not own:
        controls.data_seed(EXAMPLES[example].random)
    if not linkage:
        st.subheader("Model")
        controls.widget("coins", st.number_input, "Coins K", 1, coins.MOST, step=1)
        controls.widget(
            "equal",
            st.toggle,
            "Coins equally likely",
            help="On: every coin is taken equally often, as in the paper. Off: how often is learnt too.",
        )
        coins.start_editor(visit)
    controls.model_run(random=linkage or not values["hand"])

story.opening(
    visit,
    "The linkage data" if linkage else "Two coins",
    "Sets of tosses were made with coins that look alike, and nobody wrote down which. If that were known, each "
    "coin's chance of heads would be a share of heads. EM goes on without knowing it."
    if not linkage
    else "The example that EM was introduced with in 1977: 197 animals fall into four cells, of probability "
    "1/2 + p/4, (1 − p)/4, (1 − p)/4 and p/4. The first is two in one, 1/2 and p/4, and nobody saw which of its "
    "animals are which.",
)
controls.end(visit)
if not linkage:
    story.told(coins.PICTURE, BinomialMixture.skeleton)
else:
    story.told(coins.LINKAGE_PICTURE, Linkage.skeleton)


# ---- Coins ------------------------------------------------------------------------------------------------


def tossing() -> None:
    """Sets of tosses and the coins that they are given to."""
    if own:
        coins.editor(visit)
    source = OwnTosses(coins.own_rows(values)) if own else CoinExample(example, values["data-seed"])
    model = BinomialMixture(values["coins"], "equal" if values["equal"] else "free")
    experiment = run.experiment_of(visit, source, model, coins.begun(values) if values["hand"] else None)
    dataset = experiment.dataset()
    st.markdown(plain(dataset.caption))
    coins.question(experiment, example)
    history, captions = run.history_of(experiment, tosses.COIN_WORDS)
    shares = every_share(history)
    run.play_model(
        visit,
        experiment,
        history,
        captions,
        lambda look: (coins_figure(history, shares, look=look),),
        lambda shown: coins.below(history, shown.position, dataset),
    )
    coins.formulas()


# ---- Linkage ----------------------------------------------------------------------------------------------


def linked() -> None:
    """Four counts and one parameter, to its exact maximum."""
    begin = None if values["start-seed"] else LinkageParameters(0.5)
    experiment = run.experiment_of(visit, LinkageCounts(), Linkage(), begin)
    coins.linkage_question(experiment)
    history, captions = run.history_of(experiment, tosses.LINKAGE_WORDS)
    curve = Linkage().curve(history.X)
    run.play_model(
        visit,
        experiment,
        history,
        captions,
        lambda look: (linkage_figure(history, *curve, look=look),),
        lambda shown: coins.below_linkage(history, shown.position, experiment.dataset()),
    )
    coins.linkage_formulas()


if linkage:
    linked()
else:
    tossing()
story.references(
    "C. B. Do and S. Batzoglou (2008), *What is the expectation maximization algorithm?*, Nature Biotechnology 26, "
    "897-899: the five sets of ten tosses.",
    "A. P. Dempster, N. M. Laird and D. B. Rubin (1977), *Maximum likelihood from incomplete data via the EM "
    "algorithm*, Journal of the Royal Statistical Society B 39, 1-38: the linkage data, from C. R. Rao.",
    "C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, section 9.3.3: mixtures of Bernoulli variables.",
)
