"""What can be said of a kind without its name: at least 25 ideas each, every fifth held out of training.

An idea that begins with "you" says what one does with a thing ("you sit on": "what do you sit on"); any other is said of the
thing itself ("keeps you dry": "what keeps you dry").
"""

from __future__ import annotations


def parted(text: str) -> tuple[str, ...]:
    """Phrases that semicolons part."""
    return tuple(" ".join(idea.split()) for idea in text.split(";") if idea.strip())


REASON: dict[str, tuple[str, ...]] = {
    "person": parted("""
        could answer a question; is able to speak; is out for a walk; wears a shirt; can say hello to you; has two hands
        and ten fingers; might be waiting for a friend; pays taxes; can read and write; goes to work in the morning; has
        a name and a birthday; uses a phone; could tell you the time; can laugh at a joke; walks on two legs and wears
        trousers; went to school once; could take a photo of you; can shake hands; might vote in an election; could give
        you directions; has a job; can drive a car; could throw the ball; sings in the shower; speaks a language; could
        open the door for you; wears shoes; can sign a letter; makes plans for the weekend; can tell a lie"""),
    "dog": parted("""
        barks at strangers; wags its tail when it is happy; guards the house; is called the best friend of man; fetches
        a stick; goes for a walk on a leash; chases cats; herds sheep; sniffs at every corner; buries a bone; likes to
        chew on bones; pants when it is hot; helps a blind man cross the street; wears a collar; comes when you whistle;
        lives in a kennel; pulls a sled through the snow; growls at the postman; can be trained to sit and give a paw;
        has puppies; digs holes in the garden; howls at the moon; finds people under the snow; helps the police to find
        drugs; descends from the wolf; helps a hunter; drools over food; licks your face; says woof; runs after a thrown
        stick"""),
    "cat": parted("""
        says meow; purrs when you stroke it; catches mice; always lands on its feet; has nine lives; drinks milk from a
        saucer; sleeps most of the day; uses a litter box; scratches the sofa; is afraid of dogs; climbs a tree and
        cannot get down; has whiskers and sharp claws; sees well at night; is related to the lion and the tiger; hisses
        when it is angry; washes itself with its tongue; plays with a ball of wool; was holy in old egypt; sits with a
        witch; curls up on your lap; hates water; hunts mice at night; has kittens; likes to sit in boxes; sneaks up on
        birds; arches its back; walks on soft paws; brings you dead mice; is quiet and likes fish; has slit eyes that
        shine in the dark"""),
    "ball": parted("""
        can roll and bounce; is kicked in a game; bounces when you throw it; is thrown and caught; you play football
        with; you need for a match; rolls down a hill by itself; is perfectly round; goes into a goal; a juggler needs
        several of; is hit with a bat; you throw through a hoop; is passed from player to player; two teams fight for;
        you dribble; is filled with air and kicked; flies over the net; you bowl; children throw to each other; has the
        shape of the earth; is served in volleyball; a goalkeeper tries to catch; you head into the goal; the dog could
        fetch after you throw it; you spin on a finger; makes a window break in a game; is a toy that rolls away; a
        referee puts on the middle spot; is used in many sports; you kick around with friends"""),
    "umbrella": parted("""
        keeps you dry in the rain; you open when it rains; protects you from a shower; you hold over your head; you
        forget on the train; gives shade on the beach; folds up when the sun is out; can be turned inside out by a
        storm; you take along when the sky is gray; you put up in bad weather; drips in the hall after a shower; keeps
        the sun off your head; has ribs and a handle; is useless in a strong wind; stops the rain from wetting your
        hair; two people share in a shower; you carry in november; the weather report tells you to take; brings bad luck
        if opened indoors; works like a small roof; you shake to get the water off; mary poppins flies with; keeps drops
        off your glasses; stands wet in the corner; is handy when it pours; opens with a button; saves your hairdo in a
        downpour; you need when clouds burst; shields you from drizzle; is like a tent on a stick"""),
    "bench": parted("""
        gives tired legs a rest; you can sit on; is made for sitting; seats several people; old men feed pigeons from;
        you would eat your lunch on; lovers carve hearts into; offers a place to wait; has a back to lean on; you take a
        break on; stands still and invites you to rest; a tramp might sleep on; you rest on after a long walk; is
        furniture for outdoors; has wooden boards and iron legs; you tie your shoes on; is longer than a chair; grandma
        would need after ten steps; you can lie down on; lets you watch the people go by; a tired jogger looks for; is a
        chair for three; players wait on during the match; you would put your feet up on; has no wheels but four legs;
        you sit on to read the paper; gives your back some support; wet paint makes unusable; you and a friend chat on;
        is offered to people who cannot stand long"""),
    "tree": parted("""
        grows leaves; has roots and branches; grows for a hundred years; squirrels climb; gives shade in summer; loses
        its leaves in autumn; is made of wood; birds build nests in; drinks through its roots; is a plant; has bark but
        cannot bark; makes oxygen; has rings inside that tell its age; you climb as a child; a lumberjack cuts down; you
        could hang a swing from; paper is made from; apples fall from; needs sun and water to grow; is planted by a
        gardener; has a trunk and a crown; blooms in spring; you carve your name into; rustles in the wind; holds a tree
        house; woodpeckers knock on; lightning likes to strike; turns yellow and red in october; cannot walk because of
        its roots; a whole forest is made of"""),
    "car": parted("""
        needs petrol; has four wheels and an engine; can drive you home; you park and lock; has a steering wheel; takes
        you to work; you need a license for; has headlights; stands in a traffic jam; you wash on saturday; goes into a
        garage; runs on a road; has doors and windows and a horn; you fill up at a gas station; a mechanic repairs;
        makes noise and smoke; is driven on the highway; has seat belts; gets a parking ticket; honks; is the fastest
        way out of here; has a trunk for your luggage; needs new tires in winter; carries a family on holiday; must stop
        at a red light; has a license plate; you start with a key; pollutes the air; weighs more than a ton; is not
        allowed on the lawn"""),
    "kite": parted("""
        flies on a string in the wind; rises when the wind blows; is tied to a string and flies; needs wind to stay up;
        children fly in autumn; has a long tail and dances in the air; you hold by a string; gets stuck in trees; falls
        down when the wind stops; you run with to make it rise; is made of paper and sticks; franklin used to catch
        lightning; you let up on a windy hill; is shaped like a diamond in the sky; pulls at your hand; you unroll a
        line for; needs a good breeze; crashes when the line breaks; you steer with two lines; cannot fly on a calm day;
        was invented in china; is a toy for windy days; hangs in the air at the end of a line; flutters high over the
        beach; has no engine and no wings but flies; you bring down by winding up the string; loops in the wind; is
        light and flat and flies; you launch against the wind; might tangle its cord"""),
    "cup": parted("""
        holds a hot drink; you drink coffee from; tea is poured into; has a handle and holds tea; you fill at breakfast;
        is put on a saucer; you stir sugar in; keeps your cocoa warm; breaks when it falls on the floor; goes into the
        dishwasher; steams in the morning; you sip from; you put milk and coffee into; stands next to the kettle; is
        made of china; wakes you up in the morning; you raise to your lips; leaves a ring on the table; you could have a
        latte in; is empty after a few sips; you wrap your cold hands around; you warm soup in; is what a barista hands
        you; holds about a quarter of a liter; belongs in the kitchen; quenches your thirst; you blow on before
        drinking; you dunk a biscuit in; has a rim and a bottom; comes with a spoon"""),
    "book": parted("""
        has pages to turn; tells a story in print; you find in a library; has chapters and a cover; you read in bed; an
        author writes; you put a bookmark in; stands on a shelf; you study before an exam; is full of words; can be
        borrowed and must be returned; has a title and an index; a bookworm loves; is printed on paper; might be a
        thriller or a romance; teaches you something; you open at page one; gets made into a film; a student needs; is
        sold by the publisher; you read to a child at bedtime; has a happy end; contains knowledge; you hide a letter
        in; is written by a poet; gets dog ears; is thick and made of paper; a teacher asks you to open; keeps you up
        all night reading; you turn the leaves of"""),
    "bird": parted("""
        sings and lays eggs; has wings and a beak; builds a nest; has feathers; wakes you in the morning with a song;
        eats worms; flies south in winter; sits on a wire; chirps; pecks at crumbs; hatches from an egg; has two legs
        and two wings; can be kept in a cage; flaps its wings; a cat would love to catch; tweets; picks up seeds; a
        scarecrow frightens; has hollow bones; splashes in the bird bath; drops something on your car; is watched with
        field glasses; feeds its young with its beak; may be an early riser that catches the worm; descends from
        dinosaurs; can fly by itself; an ornithologist studies; whistles a tune; lives high up in a nest; is an animal
        that flies"""),
    "balloon": parted("""
        would pop if a needle touched it; is filled with gas; is blown up for a party; goes up when you let it go;
        bursts with a bang; floats because it is lighter than air; you blow up with your mouth; shrinks after a few
        days; clowns twist into animals; decorates a birthday; is made of rubber and full of air; a child cries after
        when it flies away; is sold at the fair; hates needles; you rub on your hair to make it stick; rises into the
        sky by itself; hangs over the birthday table; contains helium; makes your voice squeaky; you tie to the chair of
        the birthday child; is thin and stretchy; you let fly at a wedding; wants to float away; loses air with a hiss;
        has a knot at the bottom; you fill with water for a fight; should not meet a cactus; drifts over the roofs;
        explodes when it is pricked; shows where the party is"""),
    "bag": parted("""
        you carry your things in; has a clasp and carries things; a wallet is kept in; you pack for shopping; hangs over
        your shoulder; a thief might snatch; holds keys and a phone; you put your groceries into; has handles and a zip;
        you search for your keys in; is made of leather; you take to the market; matches her shoes; costs a fortune if
        it is a brand; carries your lunch; has pockets inside; you leave at the cloakroom; is checked at the airport;
        you empty on the table; keeps lipstick and tissues; you hold by its straps; is packed before a trip; a customs
        officer wants to look into; you need to bring things home from the shop; gets heavy with books; can be opened
        and filled; a lady never leaves home without; you sling over your arm; could hold a secret; stores what your
        pockets cannot"""),
}

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
)
ANIMAL_FRAMES = (
    "which animal {idea}",
    "the animal that {idea}",
    "what animal {idea} ?",
    "an animal that {idea}",
    "find the animal that {idea}",
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
)
