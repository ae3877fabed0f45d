"""Hidden Markov models: a sequence whose states are hidden, and each of them depends on the one before."""

import streamlit as st

from emcore import chains
from emcore.experiment import dataset, kept
from emcore.figures.hidden_markov import emissions_figure, graph_figure, timeline_figure
from pages.parts import cards, controls, run, story
from pages.parts import chains as parts
from pages.parts.text import plain

visit = controls.begin("hidden-markov", parts.OFFER)
values = visit.values


# ---- Choices ----------------------------------------------------------------------------------------------

with st.sidebar:
    st.subheader("Data")
    own = controls.example("sequence", parts.TITLES, "Choosing one also sets the model up for it.") == "own"
    controls.data_seed(not own)
    st.subheader("Model")
    parts.model_choices(visit)
    controls.model_run(random=values["begin"] == "random")
    parts.view_choices(visit)

story.opening(
    visit,
    "Hidden Markov models",
    "Something changes its state from step to step, and nobody sees the state: only what it shows. If the states were "
    "known, fitting would be counting. EM counts what is expected.",
    plain(parts.caption_of(values)),
)
source = parts.source_of(visit)
sequences = dataset(source)
model = sequences.model(values["states"], values["tied"])
row = parts.row_of(visit, sequences)
controls.end(visit)
st.html(cards.CSS + parts.CSS)
story.told(parts.PICTURE, model.skeleton)


# ---- The run ----------------------------------------------------------------------------------------------

begin = chains.beginning(values["begin"], model, sequences)
experiment = run.experiment_of(visit, source, model, begin)
history, captions = run.history_of(experiment, chains.words(sequences))
parts.question(experiment, history, sequences)
truth = values["truth"] and sequences.truth is not None


def pictures(look):
    """The sequence in time; the graph of transitions; what each state shows."""
    scene = kept(("chain scene", experiment), lambda: chains.chain_scene(history, sequences))
    names = chains.names_of_states(history, sequences, truth)
    return (
        timeline_figure(scene, sequences, names=names, row=row, truth=truth, look=look),
        graph_figure(scene, names=names, look=look),
        emissions_figure(scene, sequences, truth=truth, look=look),
    )


def below(shown):
    """What follows the position."""
    parts.choose_step(visit, sequences, shown, row)
    parts.below(history, sequences, shown.position, row, truth)


with st.container(key="chain"):
    run.play_model(visit, experiment, history, captions, pictures, below, look=(row, truth), widths=(1, 1, 1, 1))
parts.formulas(sequences, values["tied"])
story.references(
    "L. E. Baum, T. Petrie, G. Soules and N. Weiss (1970), *A maximization technique occurring in the statistical "
    "analysis of probabilistic functions of Markov chains*, Annals of Mathematical Statistics 41, 164-171.",
    "L. R. Rabiner (1989), *A tutorial on hidden Markov models and selected applications in speech recognition*, "
    "Proceedings of the IEEE 77, 257-286.",
    "A. J. Viterbi (1967), *Error bounds for convolutional codes and an asymptotically optimum decoding algorithm*, "
    "IEEE Transactions on Information Theory 13, 260-269.",
    "J. Eisner (2002), *An interactive spreadsheet for teaching the forward-backward algorithm*, Workshop on Effective "
    "Tools and Methodologies for Teaching NLP and CL: the ice creams.",
    "R. Durbin, S. Eddy, A. Krogh and G. Mitchison (1998), *Biological Sequence Analysis*, chapter 3: the casino.",
    "C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, section 13.2.",
)
