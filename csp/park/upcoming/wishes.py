"""Wishes and situations that one or several kinds answer: at least 25 ideas each, every fifth held out of training."""

from __future__ import annotations

from csp.park.upcoming.ideas import parted

INTENT: dict[tuple[str, ...], tuple[str, ...]] = {
    ("bench",): parted("""
        i want to sit down; my legs are tired; i need a rest; i want to take a seat and wait; my feet hurt; i would like
        to rest my legs; i need a place to sit; i have been standing all day; grandpa cannot walk any further; let us
        have a break; i want to have my picnic sitting; where could i wait for the bus; i am exhausted; i twisted my
        ankle and must sit; we are three and want to sit together; i feel dizzy and should sit down; somewhere to sit; i
        walked ten miles; i want to lean back; time for a pause; i need to tie my shoes; my back hurts and i cannot
        stand; i would like to sit in the sun; somewhere to eat my sandwich; where can we sit and talk; let me take a
        load off my feet; a place to rest; i am too tired to go on"""),
    ("cup",): parted("""
        i am thirsty; i want to drink something; i need a coffee; i would like some tea; my mouth is dry; i need
        caffeine; i want a hot chocolate; where is my espresso; i did not sleep and need something to wake me up; i
        could use a hot drink; i would love a sip of something; time for a tea break; i want to take my pills with
        water; pour me some milk; i have a sore throat and want hot tea; something to drink; i want to warm my hands on
        something hot; i made tea and need something to put it in; breakfast is not complete without this; i feel sleepy
        and want an espresso; i want to wash down my cake; fill it up with coffee please; i cannot start the day without
        coffee; a drink would be nice; my throat is dry; where do i pour the cocoa"""),
    ("book",): parted("""
        i want to read; i am bored and like stories; i want to study; i would like to read a story; i need something for
        a long train ride; i have an exam tomorrow; tell me a bedtime story; i want to learn something new; i love
        literature; my screen is off and i want to read on paper; i want to get lost in a good plot; something to read;
        i need a present for a bookworm; i cannot sleep and want to turn some pages; homework is waiting; i want to
        improve my vocabulary; i like detective stories; i want to know how the story ends; i would like to look up a
        poem; i want to spend a rainy evening reading; give me a thriller; the professor told us to do some reading; i
        need something to press my flowers in; i want to write a review of a novel; what could i read on the beach; i
        collect first editions; i need a source for my essay"""),
    ("car",): parted("""
        i want to drive away; i need a ride home; i want to travel far by road; i am late and need to drive; my feet are
        tired and home is far; i have to get to the airport; i just got my license; i want to go on a road trip; take me
        to the city; i have to pick up the kids from school; i need to move a lot of boxes; i missed the last bus; the
        hospital is ten miles away; i want to feel the speed; let us go for a drive; i need some transport; i want to
        leave town; i would like to travel without walking; i am a mechanic and look for work; who blocks the driveway;
        it is too far to walk; i want to hit the road; i want to listen to the radio while i drive; i must bring home a
        new fridge; i would like to get to the next town; drive me home; it is time to change the tires"""),
    ("umbrella",): parted("""
        i need shelter from the rain; i do not want to get wet; it rains and i have no coat; i need something against
        the rain; the sun is burning and i need shade; the clouds look dark; it is pouring; my hair must not get wet; i
        forgot my raincoat; the forecast says showers; i felt a drop; there will be a thunderstorm; my skin burns
        easily; something against the rain; we have to walk home in this weather; i want to keep the sun off the baby;
        it is raining cats and dogs; the weather is awful; i wear a new dress and it drizzles; i want to stay dry; i am
        afraid of a downpour; what do i need in the rain; keep the rain off me; i would like some cover from the shower;
        my glasses are full of drops; april weather worries me"""),
    ("ball",): parted("""
        i want to play football; i want to kick something; let us play catch; i would like to play a game outside; we
        need one more thing for our match; i want to score a goal; the kids want to play soccer; i want to practise
        throwing; my dog wants me to throw something; i want to shoot hoops; i want to juggle; we have two teams and a
        goal; something to play with on the beach; i want to bounce something; i love team sports; let us play
        volleyball; the coach wants us to practise passing; something to kick; i want to roll something down the hill;
        the children need some exercise; i want to dribble; what can we throw around; the referee is waiting for it; we
        would like to play handball; i feel like playing a match; it is time for sports"""),
    ("kite",): parted("""
        i want to fly something on a string; i want to use the wind; i want to fly a toy in the wind; i would like to
        use a string in the wind; it is windy and the kids are bored; i want to feel the wind pull at a line; what a
        breeze , let us let something rise; i want to see something dance in the wind; there is a strong wind today ,
        what can we play with; i want to hold a line and look up; autumn is here and we want to go to the windy hill; i
        want to make something fly without an engine; i brought a long cord and there is wind; something to fly in the
        wind; let us go out and fly it; the wind is perfect today; i would like to run against the wind with a toy; i
        built it from paper and sticks; i want to repeat the experiment of franklin; something with a tail that flies; i
        want to play with the wind; i love to steer a toy in the sky; it is too calm today for this; i want to wind up
        the string; a windy day at the beach needs this; let the wind carry something"""),
    ("bag",): parted("""
        i am going shopping; i have many things to carry; i need to pack my things; i want to carry my shopping; my
        pockets are full; i need something for my groceries; i have to take my laptop and papers along; where could my
        keys be; i am packing for a trip; i want to go to the market; i need something to put my purchases in; i bought
        too much to carry; i look for my wallet; i want something to go with my shoes; i need to bring my lunch to work;
        where do i put my phone and keys; something to carry my stuff; i leave for the weekend; my hands are full; i
        would like a present for a fashionable lady; i am collecting apples and need to carry them; something with a zip
        for my things; i want to hide a surprise; i need to carry my gym clothes; i have to transport my books; i want
        to store my things while i walk"""),
    ("balloon",): parted("""
        i want to decorate a party; it is a birthday; i need something for a birthday party; i want to decorate for
        children; i want to hear a loud pop; i want to let something float into the sky; my daughter turns five today; i
        want to make my voice sound funny; i need a surprise for a little child; we celebrate a wedding; i want to hang
        something up for the party; i have a needle and bad plans; something light that rises by itself; we are having a
        party; i want to send a card through the air; the fair is in town; how could we make the garden look festive; i
        have a tank of helium; i want to blow something up; it should look like a celebration; the clown needs something
        to twist; i want to cheer up a child; i want something that goes up when i let it go; we need decoration; let us
        celebrate; i want a water fight"""),
    ("person",): parted("""
        i want to ask somebody the way; i need somebody to help me; i want to talk to somebody; i am lonely and want
        company; i need a hand to lift this; could somebody take our picture; i want to make a new friend; who can lend
        me a phone; i lost my way and need directions; i want to do an interview; i need a witness; i want to chat; i
        look for a partner for chess; i want to know what time it is and must ask; we need one more player; somebody
        should call an ambulance; i want to hire a worker; i want to find out how many visitors there are; i want to
        shake hands; i need advice; i want to have a conversation; i collect signatures; who could translate for me; i
        want to say good morning to somebody; i need a volunteer; i look for my brother"""),
    ("tree",): parted("""
        i want to climb up high; i need some shade and leaves; i want to pick fruit; i want to hear leaves in the wind;
        i want to hang up my hammock; i look for wood; i want to build a tree house; i am a squirrel and look for a
        home; i want to study botany; i want to collect autumn leaves; the sun is hot and i want to lie under leaves; i
        want to carve a heart into bark; i look for a nest; i want to hug something big and green; something to hang a
        swing from; i want to count the rings; i would like to breathe fresh oxygen; i am a gardener and want to prune;
        i like plants; i want to see blossoms; i need a big trunk to hide behind; i am a woodpecker; i want to draw
        branches; i look for something with roots; i want to sit in the shade of leaves; i care about the forest"""),
    ("dog", "cat"): parted("""
        i want to pet an animal; i love furry animals; i want to stroke some fur; i want to feed furry pets; i like four
        legs and a tail; i want something to cuddle; my hand longs for soft fur; i have pet food left; i work in a
        shelter for strays; i am allergic to animal hair and must know where it is; i want to adopt a pet; i look for
        animals with paws; i would like to brush some fur; who needs to go to the vet; i want to see mammals on four
        legs; which animals live in our homes; i want to play with a furry friend; i like whiskers; which pets are here;
        i bought two food bowls; find my furry friends; i miss my pet; i want to scratch something behind the ears; i
        look for animals that do not fly; who leaves hair on the sofa"""),
    ("bird", "kite", "balloon"): parted("""
        i like things that fly; i want to see everything that can be in the air; i look for things with no need of the
        ground; i want to count what can fly; i want to see what could be up in the sky; what might be seen above the
        roofs; i look up and want to see something; gravity is boring; what does the pilot have to watch out for; i
        dream of flying; find all that can leave the ground; what would float or fly over us; i paint the sky and need
        motives; which things rise; everything that flies; i am looking for air traffic; what could fly away; things
        that go up; what does not need a road; i want to film flying things; what can hover over the trees; show me the
        flyers; what could cross the sky; i am fascinated by flight; what could land on a roof"""),
    ("cat", "dog", "bird"): parted("""
        i want to photograph animals; i study wild and tame animals; i want to count the animals; i am a vet and want to
        see animals; i want to go to the zoo; i like living things that are not human; my daughter loves animals; what
        is alive and has no name tag; i write about animals in the city; i want to see creatures; i want to draw
        animals; i am a biologist and look for fauna; which ones need to be fed; show me the pets; find the animals; i
        have brought food for the animals; what would noah take on board; who cannot speak but makes sounds; all the
        animals please; i want to protect animals; i look for beings with a tail; i film nature; which ones have a heart
        but no clothes; i am afraid of animals , where are they; what could run or fly away by itself"""),
}

WISH_FRAMES = (
    "{idea}",
    "{idea}",
    "{idea}",
    "{idea} .",
    "{idea} , what could i use",
    "{idea} . what helps",
    "help me , {idea}",
    "{idea} , show me what i need",
    "hello , {idea}",
    "{idea} , what would you suggest",
)
WISH_COLOUR = (
    "{idea} and i like {colour}",
    "{idea} but it must be {colour}",
    "{idea} and only {colour} will do",
    "{idea} , something {colour}",
    "{idea} and it should be {colour}",
    "{idea} , the {colour} one",
    "{idea} , {colour} please",
    "{idea} , make it {colour}",
    "{idea} , preferably {colour}",
    "{idea} and want it in {colour}",
)
