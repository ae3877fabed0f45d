"""The lessons of EM Lab, as a table: the navigation, the tests and the README read it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """One page: its file under pages/lessons, its title and its place in the menu, and what it teaches in a line."""

    file: str
    title: str
    group: str
    summary: str

    @property
    def path(self) -> str:
        """The file, from the top of the project."""
        return f"pages/lessons/{self.file}"

    @property
    def address(self) -> str:
        """The last part of the page's URL; HOME is also at the root."""
        return self.file.removesuffix(".py").replace("_", "-")


HOME = "playground.py"  # the page at the root address
LESSONS = (
    Lesson(
        "guide.py",
        "Guide",
        "Start here",
        "What EM is for in one picture, which lesson answers which question, and every model's EM in four phrases.",
    ),
    Lesson(
        "coins.py",
        "Two coins",
        "Start here",
        "EM in five minutes with coins that nobody told apart, and the linkage data that EM was introduced with.",
    ),
    Lesson(
        "playground.py",
        "Playground",
        "Gaussian mixtures",
        "Step through every E-step and M-step of a Gaussian mixture, and reseed to meet other maxima.",
    ),
    Lesson(
        "one_step.py",
        "One point, one step",
        "Gaussian mixtures",
        "Work Bayes' rule for one point and the weighted averages of one component, with the numbers of the run.",
    ),
    Lesson(
        "why_it_climbs.py",
        "Why it climbs",
        "Gaussian mixtures",
        "Operate the bound under the log-likelihood, find the mistake in a faulty EM, and do a step yourself.",
    ),
    Lesson(
        "local_maxima.py",
        "Local maxima",
        "Gaussian mixtures",
        "Count the maxima by hundreds of starts, see which start leads where on a map, and race two runs.",
    ),
    Lesson(
        "how_many.py",
        "How many components",
        "Choosing the model",
        "Guess the number of components, then let criteria, held-out points and a test speak; classify new points.",
    ),
    Lesson(
        "shapes.py",
        "What shape",
        "Choosing the model",
        "Fit four shapes of covariance side by side, count their parameters, and predict which one BIC prefers.",
    ),
    Lesson(
        "k_means.py",
        "k-means and EM",
        "Choosing the model",
        "Step both from the same means, turn a temperature until they are one, and anneal out of a local maximum.",
    ),
    Lesson(
        "variational.py",
        "A prior on the weights",
        "Choosing the model",
        "Begin with too many components and watch a prior, and the evidence lower bound, let the surplus die.",
    ),
    Lesson(
        "collapse.py",
        "Collapse and priors",
        "Choosing the model",
        "Shrink a component onto a point, and compare a restart, a floor and a prior made of ghost points.",
    ),
    Lesson(
        "missing.py",
        "Missing values",
        "Other models",
        "Fill the holes of a table and keep their variance, beside dropping rows, filling in means, and your own CSV.",
    ),
    Lesson(
        "factor_analysis.py",
        "Factor analysis",
        "Other models",
        "Find the hidden line behind several measurements, and derive its EM with the numbers of the run.",
    ),
    Lesson(
        "hidden_markov.py",
        "Hidden Markov models",
        "Other models",
        "Forward-backward on an ice-cream diary, a dishonest casino or your own sequence, with the most probable path.",
    ),
    Lesson(
        "outliers.py",
        "Outliers",
        "Applications",
        "Student's t lets go of points that are far off; the Gaussian beside it, and PX-EM racing EM.",
    ),
    Lesson(
        "segmentation.py",
        "Image segmentation",
        "Applications",
        "Cut a picture into segments of like colour, one of ours or your own, and see them form.",
    ),
    Lesson(
        "text.py",
        "Text",
        "Applications",
        "Sort paragraphs by their words alone, see the telling words of each subject, and ask about a sentence.",
    ),
    Lesson(
        "digits.py",
        "Handwritten digits",
        "Applications",
        "Components that are pictures sharpen as EM runs; see which digits they take and which they confuse.",
    ),
    Lesson(
        "deaths.py",
        "Slow convergence",
        "Applications",
        "Two Poissons on counts of deaths: EM creeps, a tolerance stops it far off, and SQUAREM gets there.",
    ),
    Lesson(
        "ratings.py",
        "Ratings",
        "Applications",
        "Fill a table of people and dishes, check it with ratings hidden on purpose, and see where it must fail.",
    ),
)
