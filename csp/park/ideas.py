"""What can be said of a kind without its name, and the frames that make a query of it.

An idea that begins with "you" says what one does with a thing ("you sit on": "what do you sit on", "something to sit on"); any
other is said of the thing itself ("keeps you dry": "what keeps you dry"). One that begins with "is" or "has" may go without
that word ("is made of wood": "something made of wood"; "is a means of transport": "find a means of transport").
"""

from __future__ import annotations

from csp.park.ideas_living import LIVING
from csp.park.ideas_things import LIFELESS
from csp.park.parted import parted

REASON: dict[str, tuple[str, ...]] = {**LIVING, **LIFELESS}

SUBJECTS = frozenset(
    parted("""
        a; an; the; you; she; he; it; children; birds; squirrels; lovers; clowns; old; two; woodpeckers; lightning;
        apples; paper; players; grandma; mary; franklin; wet; tea; acorns; afghan; agatha; alice; april; authors;
        beavers; ben; boards; boys; buddha; cats; charlie; cocoa; coffee; commuters; couples; critics; curiosity; dogs;
        drivers; every; fans; forrest; fortune; fruit; furniture; gene; green; guests; gutenberg; harry; hemingway;
        hermione; jugglers; koalas; ladies; librarians; londoners; maradona; messi; meteorologists; milk; monkeys;
        monks; mothers; mr; nena; newton; owls; passengers; pele; pensioners; people; pickpockets; police; pupils; rain;
        raindrops; readers; reserves; rihanna; robin; rugby; scholars; shakespeare; shoppers; students; substitutes;
        surfers; tarzan; thieves; thirsty; tired; tolkien; tourists; travellers; twenty; winnie; women; workers;
        writers""")
)
"""First words of ideas in which somebody does something with a thing."""
NOMINAL = (
    "a",
    "an",
    "the",
    "your",
    "somebody's",
    "sports",
    "furniture",
    "crockery",
    "tableware",
    "literature",
    "luggage",
    "transport",
)
"""First words, after "is", of other names of a thing."""
UNDONE = ("and", "need", "should", "cannot")
"""Words after "you" that keep an idea from becoming "something to ..."."""

REASON_FRAMES = (
    "what {idea}",
    "which thing {idea}",
    "the thing that {idea}",
    "something that {idea}",
    "find what {idea}",
    "what here {idea} ?",
    "show me what {idea}",
    "it {idea}",
    "which of these {idea} ?",
    "which object here {idea}",
    "what in the picture {idea}",
    "the one that {idea}",
    "mark what {idea}",
    "look for something that {idea}",
    "find the object that {idea}",
    "i mean the thing that {idea}",
    "{idea}",
    "can you find what {idea} ?",
    "anything here that {idea} ?",
    "is there something that {idea} ?",
    "where is the thing that {idea}",
    "tell me what {idea}",
    "i am looking for something that {idea}",
    "the object that {idea}",
    "do you see what {idea} ?",
    "please find the thing that {idea}",
    "what is it that {idea} ?",
    "pick the one that {idea}",
    "that which {idea}",
)
WHO_FRAMES = (
    "who {idea}",
    "who here {idea} ?",
    "find who {idea}",
    "the one who {idea}",
    "somebody who {idea}",
    "someone who {idea}",
    "show me who {idea}",
    "it {idea}",
    "which of them {idea}",
    "show the one who {idea}",
    "{idea}",
    "anyone who {idea}",
    "the person who {idea}",
    "where is the one who {idea}",
    "can you find who {idea} ?",
    "is there anyone here who {idea} ?",
    "tell me who {idea}",
    "i mean the one who {idea}",
    "mark somebody who {idea}",
    "i am looking for someone who {idea}",
    "who in the picture {idea}",
)
ANIMAL_FRAMES = (
    "which animal {idea}",
    "the animal that {idea}",
    "what animal {idea} ?",
    "an animal that {idea}",
    "find the animal that {idea}",
    "{idea}",
    "where is the animal that {idea}",
    "show me the animal that {idea}",
    "which creature {idea}",
    "the creature that {idea}",
    "i mean the animal that {idea}",
    "is there an animal that {idea} ?",
    "which of the animals {idea} ?",
)
GAP_FRAMES = (
    "what do {idea}",
    "something {idea}",
    "the thing {idea}",
    "what {idea}",
    "find what {idea}",
    "which thing do {idea} ?",
    "show me something {idea}",
    "what would {idea}",
    "it is what {idea}",
    "find something {idea}",
    "i mean the thing {idea}",
    "can you find what {idea} ?",
    "anything here {idea} ?",
    "where is the thing {idea}",
    "tell me what {idea}",
    "is there something {idea} ?",
    "the object {idea}",
    "which of these do {idea} ?",
    "what is it {idea}",
    "mark what {idea}",
)
OBJECT_FRAMES = (
    "what {idea}",
    "something {idea}",
    "the thing {idea}",
    "find what {idea}",
    "the thing that {idea}",
    "it is what {idea}",
    "show me what {idea}",
    "what is it that {idea}",
    "something that {idea}",
    "find the thing {idea}",
    "i mean what {idea}",
    "which thing is it that {idea} ?",
    "can you find what {idea} ?",
    "where is the thing {idea}",
    "is there something {idea} ?",
    "the object that {idea}",
    "tell me what {idea}",
    "mark what {idea}",
    "anything here that {idea} ?",
)
TO_FRAMES = (
    "something to {act}",
    "find something to {act}",
    "to {act}",
    "a thing to {act}",
    "i need something to {act}",
    "i want something to {act}",
    "i want to {act}",
    "what can i {act} ?",
    "what could i {act}",
    "what can one {act}",
    "what can you {act} ?",
    "is there anything to {act} ?",
    "show me what i can {act}",
    "which thing can i {act} ?",
    "i would like something to {act}",
    "anything to {act} ?",
)
"""For what one does with a thing: "something to sit on"."""
IS_FRAMES = (
    "{some} {idea}",
    "find {some} {idea}",
    "show me {some} {idea}",
    "the one {idea}",
    "{idea}",
    "is there {some} {idea} ?",
    "look for {some} {idea}",
    "where is the one {idea}",
    "i mean the one {idea}",
    "do you see {some} {idea} ?",
    "mark the one {idea}",
    "i am looking for {some} {idea}",
    "it is {some} {idea}",
)
"""For what a thing is or has: "something made of wood", "an animal with feathers"."""
NOUN_FRAMES = (
    "{idea}",
    "find {idea}",
    "show me {idea}",
    "where is {idea}",
    "where is {idea} ?",
    "is there {idea} ?",
    "which one is {idea} ?",
    "do you see {idea} ?",
    "mark {idea}",
    "i am looking for {idea}",
    "i need {idea}",
    "what here is {idea} ?",
    "can you find {idea} ?",
    "look for {idea}",
    "{idea} please",
    "i mean {idea}",
    "it is {idea}",
)
"""For other names of a thing: "a means of transport"."""
