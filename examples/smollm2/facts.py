"""Facts, with the templates of questions and answers about them. Only the benchmark is made from them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Relation:
    """A kind of fact. `question` has the placeholder {thing}; `sentence` has {thing} and {answer}; `facts` maps things to answers."""

    name: str
    question: str
    sentence: str
    facts: dict[str, str]


def _pairs(text: str) -> dict[str, str]:
    return dict(entry.strip().split("=") for entry in text.split(","))


RELATIONS = (
    Relation(
        "capital",
        "What is the capital of {thing}?",
        "The capital of {thing} is {answer}.",
        _pairs(
            "France=Paris,Italy=Rome,Spain=Madrid,Germany=Berlin,Japan=Tokyo,Egypt=Cairo,Russia=Moscow,China=Beijing,"
            "Greece=Athens,Cuba=Havana,Peru=Lima,Kenya=Nairobi,Poland=Warsaw,Norway=Oslo,Sweden=Stockholm,Finland=Helsinki,"
            "Portugal=Lisbon,Austria=Vienna,Hungary=Budapest,Ireland=Dublin,Iran=Tehran,Iraq=Baghdad,Canada=Ottawa,"
            "Argentina=Buenos Aires,Chile=Santiago,Thailand=Bangkok,Belgium=Brussels,Denmark=Copenhagen"
        ),
    ),
    Relation(
        "opposite",
        'What is the opposite of the word "{thing}"?',
        'The opposite of "{thing}" is "{answer}".',
        _pairs(
            "hot=cold,big=small,fast=slow,up=down,happy=sad,light=dark,open=closed,early=late,rich=poor,hard=soft,"
            "full=empty,wet=dry,young=old,strong=weak,near=far,loud=quiet,clean=dirty,high=low,push=pull,win=lose,"
            "buy=sell,begin=end,love=hate,thick=thin,sharp=blunt,heavy=weightless,brave=afraid,cheap=expensive"
        ),
    ),
    Relation(
        "young",
        "What is a young {thing} called?",
        "A young {thing} is called a {answer}.",
        _pairs(
            "dog=puppy,cat=kitten,cow=calf,horse=foal,sheep=lamb,goat=kid,pig=piglet,hen=chick,duck=duckling,goose=gosling,"
            "bear=cub,deer=fawn,frog=tadpole,swan=cygnet,kangaroo=joey,owl=owlet"
        ),
    ),
    Relation(
        "material",
        "What is {thing} made from?",
        "{thing} is made from {answer}.",
        _pairs(
            "Bread=flour,Wine=grapes,Cheese=milk,Paper=wood,Glass=sand,Honey=nectar,Chocolate=cocoa beans,Butter=cream,"
            "Steel=iron,Raisins=grapes,Tofu=soybeans,Popcorn=corn,Wool=the coat of sheep,Leather=animal skin"
        ),
    ),
    Relation(
        "job",
        "What does a {thing} do?",
        "A {thing} {answer}.",
        _pairs(
            "baker=bakes bread,teacher=teaches children,farmer=grows crops,doctor=treats the sick,pilot=flies planes,"
            "barber=cuts hair,painter=paints pictures,singer=sings songs,tailor=sews clothes,plumber=repairs pipes,"
            "chef=cooks meals,judge=rules in court,dentist=cares for teeth,carpenter=works with wood"
        ),
    ),
    Relation(
        "place",
        "On which continent is {thing}?",
        "{thing} is in {answer}.",
        _pairs(
            "Brazil=South America,India=Asia,Nigeria=Africa,Ukraine=Europe,Mexico=North America,Vietnam=Asia,Ghana=Africa,"
            "Colombia=South America,Romania=Europe,Mongolia=Asia,Sudan=Africa,Bolivia=South America,Croatia=Europe,"
            "Guatemala=North America,Nepal=Asia,Zambia=Africa"
        ),
    ),
)
