"""Wishes and situations that one or several kinds answer.

Every fifth idea is held out of training: append, never insert, and let no fifth idea be a part of another.
"""

from __future__ import annotations

from csp.park.parted import parted

INTENT: dict[tuple[str, ...], tuple[str, ...]] = {
    ("bench",): parted("""
        i want to sit down; my legs are tired; i need a rest; i want to take a seat and wait; my feet hurt; i would like
        to rest my legs; i need a place to sit; i have been standing all day; grandpa cannot walk any further; let us
        have a break; i want to have my picnic sitting; where could i wait for the bus; i am exhausted; i twisted my
        ankle and must sit; we are three and want to sit together; i feel dizzy and should sit down; somewhere to sit; i
        walked ten miles; i want to lean back; time for a pause; i need to tie my shoes; my back hurts and i cannot
        stand; i would like to sit in the sun; somewhere to eat my sandwich; where can we sit and talk; let me take a
        load off my feet; a place to rest; i am too tired to go on; need a rest; so tired; too tired to stand; tired
        feet; where can i sit; where could i sit down; where can one sit here; i want to sit; i must sit down; i need to
        sit down for a minute; can i sit somewhere; somewhere to rest; somewhere to sit and read; i am worn out; i am
        tired from walking; i feel weak in the knees; my knees hurt; my heels are killing me; i have blisters and cannot
        walk on; i would like to relax for a moment; let us relax here; let me catch my breath; i am out of breath after
        jogging; my grandmother needs to sit; my wife is pregnant and wants to sit; an old man wants to rest; we are
        waiting for a friend and do not want to stand; i want to take a nap outdoors; i want to lie down for a while; i
        would like to sit next to you; let us sit in the shade and chat; i want to sit and watch the ducks; i want to
        feed the pigeons sitting down; time to sit down; i need some furniture to sit on; a seat please; is this seat
        taken; is there a free seat; a spot to sit would be lovely; i am looking for a seat for two; my shift was long
        and i want to put my feet up; i want to eat my lunch sitting; where do pensioners rest; i have walked enough for
        today; lunch break and no chair; i want to enjoy the view sitting; i am waiting for the bus and my legs ache;
        the climb was hard , let us rest; take a seat; have a seat"""),
    ("cup",): parted("""
        i am thirsty; i want to drink something; i need a coffee; i would like some tea; my mouth is dry; i need
        caffeine; i want a hot chocolate; where is my espresso; i did not sleep and need something to wake me up; i
        could use a hot drink; i would love a sip of something; time for a tea break; i want to take my pills with
        water; pour me some milk; i have a sore throat and want hot tea; something to drink; i want to warm my hands on
        something hot; i made tea and need something to put it in; breakfast is not complete without this; i feel sleepy
        and want an espresso; i want to wash down my cake; fill it up with coffee please; i cannot start the day without
        coffee; a drink would be nice; my throat is dry; where do i pour the cocoa; it is five o'clock and i fancy a
        brew; coffee time; time for coffee; a tea please; coffee please; so thirsty; very thirsty; i am really thirsty;
        i want a coffee; i want some tea; i want hot milk; i would like a coffee; i would like a hot drink; i would like
        to drink; i want something warm to drink; need a drink; need coffee; i need my morning coffee; i need a
        cappuccino; i could drink a latte; an espresso would be great; a cappuccino would wake me up; how about a cocoa;
        let us have coffee; let us drink tea; i am sleepy and need coffee; i am yawning and need caffeine; it is five
        o'clock in england; my guest would like tea; the kettle is boiling; the water boils for tea; i brewed coffee ,
        where does it go; where do i pour the tea; where can i put my coffee; what do i drink from; i want to drink from
        something; i have a thermos of coffee but nothing to pour it into; i want to sip something; i am freezing and
        want a hot chocolate; my cold calls for ginger tea; i have a cold and want lemon tea; i want to dip my biscuit;
        i want to try this tea bag; sugar and milk are ready; breakfast time , and i drink cocoa; i am parched; my
        tongue is dry; i must drink something; anything to drink here; who wants coffee; i want to toast with cocoa; i
        am a barista and have poured a latte; where is my latte; i am dying of thirst"""),
    ("book",): parted("""
        i want to read; i am bored and like stories; i want to study; i would like to read a story; i need something for
        a long train ride; i have an exam tomorrow; tell me a bedtime story; i want to learn something new; i love
        literature; my screen is off and i want to read on paper; i want to get lost in a good plot; something to read;
        i need a present for a bookworm; i cannot sleep and want to turn some pages; homework is waiting; i want to
        improve my vocabulary; i like detective stories; i want to know how the story ends; i would like to look up a
        poem; i want to spend a rainy evening reading; give me a thriller; the professor told us to do some reading; i
        need something to press my flowers in; i want to write a review of a novel; what could i read on the beach; i
        collect first editions; i need a source for my essay; i want to read something; i would like to read; i feel
        like reading; something good to read; need something to read; reading time; story time; time for a bedtime
        story; read me a story; tell me a story; i like reading; i love to read; i love novels; i like novels and poems;
        i want a good story; i want to learn; i want to learn history; i want to know more about physics; i need
        knowledge; i need to study for school; i must study tonight; my exam is on monday; i have a test and must learn;
        i am a student and have to learn chapters; i am preparing for a lecture; i am looking for literature; i am
        looking for a novel; i need a recipe collection; where can i look up a word; i want to look something up without
        internet; i have no internet and want information; it rains and i stay in bed with a story; i have a long flight
        and nothing to read; i am bored on the train and want a thriller; i am waiting at the doctor and want to read; i
        want to read to my daughter; my son wants a fairy tale; i am a librarian; i work in a library; i am an author
        and look for my work; i brought my reading glasses; i lost my bookmark; i want to turn pages; i want to read a
        few chapters; i want to finish the last chapter; i joined a reading circle; i want to quote shakespeare; i would
        like some poetry; i love agatha christie; harry potter fans want this; my teacher gave me pages to read; it is
        quiet and i want to read; some wisdom please; i want to escape into a story; i like the smell of paper"""),
    ("car",): parted("""
        i want to drive away; i need a ride home; i want to travel far by road; i am late and need to drive; my feet are
        tired and home is far; i have to get to the airport; i just got my license; i want to go on a road trip; take me
        to the city; i have to pick up the kids from school; i need to move a lot of boxes; i missed the last bus; the
        hospital is ten miles away; i want to feel the speed; let us go for a drive; i need some transport; i want to
        leave town; i would like to travel without walking; i am a mechanic and look for work; who blocks the driveway;
        it is too far to walk; i want to hit the road; i want to listen to the radio while i drive; i must bring home a
        new fridge; i would like to get to the next town; drive me home; it is time to change the tires; take me to the
        next village; drive me to the airport; drive me to work; i want to drive; i would like to drive; let us drive to
        the sea; i need a lift; i need a lift home; can you give me a lift; i need to get home fast; i need to get to
        work; i have to get to work quickly; i am late for work; i am late for my flight; i must catch a plane at the
        airport; i want to go home by road; i want to travel to another city; i want to go far away; we want to go to
        the mountains for the weekend; we are going on holiday with lots of luggage; we are a family of four and want to
        travel; how do i get to the next town; how can i get home quickly; how do i get to the airport; get me out of
        here fast; i must get there quickly; i need an engine; i want to hear an engine; i want to hear the motor; i
        want to sit behind the steering wheel; i passed my driving test; i have a driving license; i want to fill the
        tank; petrol is cheap today; i have bought petrol; i found my keys and want to drive off; i have to park; where
        did i park; the parking meter has run out; i am a taxi driver; i repair engines; i want to change the oil; my
        tire is flat; i want to overtake; i want to go fast on the highway; road trip; time for a road trip; i want to
        honk; too far to walk; it is far and i do not want to walk; the bus is gone and i must get home; the train is
        late and i must get to the city; my boss expects me in the other city; i have to bring grandma to the doctor;
        somebody must drive her to hospital; i need transportation; a means of transport please; i want to cruise around
        the town; i am interested in vehicles with an engine; we are moving house"""),
    ("umbrella",): parted("""
        i need shelter from the rain; i do not want to get wet; it rains and i have no coat; i need something against
        the rain; the sun is burning and i need shade; the clouds look dark; it is pouring; my hair must not get wet; i
        forgot my raincoat; the forecast says showers; i felt a drop; there will be a thunderstorm; my skin burns
        easily; something against the rain; we have to walk home in this weather; i want to keep the sun off the baby;
        it is raining cats and dogs; the weather is awful; i wear a new dress and it drizzles; i want to stay dry; i am
        afraid of a downpour; what do i need in the rain; keep the rain off me; i would like some cover from the shower;
        my glasses are full of drops; april weather worries me; it is raining; it rains; it rains a lot; the first drops
        are falling; looks like rain; it will rain soon; it might rain; rain is coming; so much rain; rainy day; heavy
        rain today; it is drizzling; it is wet outside; what bad weather; terrible weather today; the weather turns bad;
        storm clouds are coming; there are dark clouds; black clouds are gathering; i am getting wet; i am soaked; i am
        soaking wet; i do not like to get wet; i do not want my clothes to get wet; i do not want my hair to get wet; i
        hate getting wet; help me stay dry; how can i stay dry; how do i keep dry; what keeps the rain away from me;
        what should i take if it rains; i want to walk in the rain; i have to go out in the rain; i left my raincoat at
        home; i have no raincoat; no hood and it pours; drops are falling; i hear thunder and it pours; a shower is
        coming; showers all day; i just came from the hairdresser and it rains; my suit must not get wet; my make up
        runs in the rain; i am going to london in november; monsoon season; wet season; the sky is gray and i feel
        drops; the sun is too strong; i get sunburn quickly; i need protection from the sun; i need protection from the
        rain; i need cover from the rain; too much sun on the beach; i want shade over my beach towel; i dance and sing
        in the rain; we wait in the rain; may i join you under it in this rain; rainwater runs down my neck"""),
    ("ball",): parted("""
        i want to play football; i want to kick something; let us play catch; i would like to play a game outside; we
        need one more thing for our match; i want to score a goal; the kids want to play soccer; i want to practise
        throwing; my dog wants me to throw something; i want to shoot hoops; i want to juggle; we have two teams and a
        goal; something to play with on the beach; i want to bounce something; i love team sports; let us play
        volleyball; the coach wants us to practise passing; something to kick; i want to roll something down the hill;
        the children need some exercise; i want to dribble; what can we throw around; the referee is waiting for it; we
        would like to play handball; i feel like playing a match; it is time for sports; let us play; let us play
        soccer; let us play football; let us play basketball; let us play tennis; let us play a match; want to play
        soccer; i want to play soccer; i want to play basketball; i want to play volleyball; i want to play catch; i
        would like to play football; i would like to shoot at the goal; i would like to kick; i love football; i love
        soccer; i am a football player; i am a goalkeeper; i am a striker; i am the coach and training starts; i am a
        juggler; i want to train my throwing; i want to practise my kick; i want to practise penalties; i want to shoot
        a penalty; i want to throw something; i want to throw and catch; i want to catch something; i want to dunk; i
        want to hit a home run; i need something to throw; i need something to kick; i need something round to play; i
        need something that bounces; something that rolls; something to throw around; something for the match; something
        for sports; time to play football; the match starts now; the world cup is on; the game cannot start without it;
        the team is ready to play; our team wants to train; we are eleven and want to play; we have a net and two teams;
        we have a goal and a whistle; we have a hoop on the wall; the boys want to kick something around; the boys want
        to throw and catch; the kids want to throw something to each other; my son joined a soccer club; my son wants to
        be a goalkeeper; sports lesson; kick off; goal; let us have a game of catch; who wants to play soccer; i would
        like to play bowling; i want to head one into the goal; i need some sport and like to kick; messi needs it;
        physical education starts"""),
    ("kite",): parted("""
        i want to fly something on a string; i want to use the wind; i want to fly a toy in the wind; i would like to
        use a string in the wind; it is windy and the kids are bored; i want to feel the wind pull at a line; what a
        breeze , let us let something rise; i want to see something dance in the wind; there is a strong wind today ,
        what can we play with; i want to hold a line and look up; autumn is here and we want to go to the windy hill; i
        want to make something fly without an engine; i brought a long cord and there is wind; something to fly in the
        wind; let us go out and fly it; the wind is perfect today; i would like to run against the wind with a toy; i
        built it from paper and sticks; i want to repeat the experiment of franklin; something with a tail that flies; i
        want to play with the wind; i love to steer a toy in the sky; it is too calm today for this; i want to wind up
        the string; a windy day at the beach needs this; let the wind carry something; it is windy; it is windy today;
        so windy; windy weather today; a windy day; the wind is strong; the wind is blowing hard; there is a lot of
        wind; there is a good breeze; a nice breeze blows; what could i do with all this wind; what can we do on a windy
        day; what do i play with when it is windy; we are at the beach and it is windy; we are on a windy hill; we want
        to run on the hill with a line; i want to fly something; i want to fly something in the wind; i want to let
        something fly on a string; i want to let something fly in the wind; i want to hold the string; i want to hold a
        string with something at the end; i want to pull a string; i want to run and let it rise in the wind; i want to
        run with a string; i want to see it soar on a line; i would like to fly something on a line; i would like to
        play in the wind; i would like to make use of the breeze; i like october winds; i like to play outside in autumn
        winds; i have a long string and a breeze; i have a reel of string; i have string and want to fly something; the
        children want to fly something in the wind; the kids want to run in the wind with a toy; my son wants to fly his
        toy in the wind; my child wants to hold the line; something for a windy day; something for the windy beach;
        a thing to let up into the wind; something diamond shaped in the wind; the autumn storm is good for playing; the
        gusts are strong enough to fly it; perfect wind for flying a toy; the wind invites us to play; wind; wind and
        string; do we have something for this wind; autumn holidays on a windy field; let it rise into the wind; let us
        use the wind; let us use the breeze; let us fly it on the beach; go fly something; i made it from paper and want
        to fly it; i made it from bamboo and silk"""),
    ("bag",): parted("""
        i am going shopping; i have many things to carry; i need to pack my things; i want to carry my shopping; my
        pockets are full; i need something for my groceries; i have to take my laptop and papers along; where could my
        keys be; i am packing for a trip; i want to go to the market; i need something to put my purchases in; i bought
        too much to carry; i look for my wallet; i want something to go with my shoes; i need to bring my lunch to work;
        where do i put my phone and keys; something to carry my stuff; i leave for the weekend; my hands are full; i
        would like a present for a fashionable lady; i am collecting apples and need to carry them; something with a zip
        for my things; i want to hide a surprise; i need to carry my gym clothes; i have to transport my books; i want
        to store my things while i walk; i want to go shopping; i am going to the supermarket; i have to buy groceries;
        i need to buy groceries; i have bought groceries; i bought a lot; i bought vegetables , how do i get them home;
        i have a lot to carry; i cannot carry all this; i cannot carry everything in my hands; i cannot hold all this;
        how do i carry all that; how can i carry my things; how do i carry my groceries; how do i carry my shopping;
        what can i put my things in; what do i put my groceries in; where can i put my things; where do i put my wallet;
        where do i keep my money; where are my keys; i am looking for my purse; i need my make up; i need to carry
        something; i need to carry my things; i need to carry my laptop; i need to pack; i need to pack for the weekend;
        i have to pack; i am packing; i want to pack my things; i want to pack my lunch; i want to put my things in
        something; something to put things in; something to carry things in; something for my shopping; something for
        the supermarket; something with handles for my groceries; something for my keys and wallet; shopping time;
        shopping day; let us go shopping; let us pack; time to pack our things; time to pack; we are leaving , pack up;
        my hands are full of groceries; my arms are full; too many things to hold; too much stuff; i love fashion by
        prada; i love leather accessories; i want a fashion accessory; i would like a gift for my wife who loves gucci;
        my mother wants something for her keys and tissues; she wants something elegant over the shoulder; the cashier
        asks if i need one; the thief ran off with it over his arm; i need somewhere for my make up; the customs officer
        wants to see inside; i take my gym shoes along; i take my sandwiches along and my hands are full"""),
    ("balloon",): parted("""
        i want to decorate a party; it is a birthday; i need something for a birthday party; i want to decorate for
        children; i want to hear a loud pop; i want to let something float into the sky; my daughter turns five today; i
        want to make my voice sound funny; i need a surprise for a little child; we celebrate a wedding; i want to hang
        something up for the party; i have a needle and bad plans; something light that rises by itself; we are having a
        party; i want to send a card through the air; the fair is in town; how could we make the garden look festive; i
        have a tank of helium; i want to blow something up; it should look like a celebration; the clown needs something
        to twist; i want to cheer up a child; i want something that goes up when i let it go; we need decoration; let us
        celebrate; i want a water fight; we are celebrating; we celebrate a birthday; she turns six today; my birthday
        is today; today is my birthday; it is my son's birthday; my daughter has a birthday; my daughter turns six; my
        friend turns forty and we want to decorate; birthday party; party time; it is party time; let us party; let us
        have a birthday party; we are planning a party; we give a party for children; children's party today; i am
        throwing a party; i want to decorate the room; i want to decorate; i want to decorate the garden for the
        birthday; i want to decorate for a birthday; i need decoration; i need a decoration for the party; i need party
        decoration; something for a party; something for a party decoration; something for the birthday child; something
        festive please; something that pops; something that bursts; something with helium; something filled with gas;
        something to blow up; something to pop; i want to pop something; i want to burst something; i want a bang; i
        want to scare him with a bang; i have a pin and want a bang; i want to blow up something for the party; i want
        to use my breath to fill something; i have strong lungs and want to blow; i want to speak with a funny voice; i
        want to inhale helium; i want to fill something with helium; i want to see something float up; i want to let
        something go up into the sky; i want to release something at the wedding; i want to send greetings up into the
        sky; i want to surprise a child at the fair; we are at the fair and the child wants one; the clown has run out
        of these; the clown gives one to each child; the party room looks so empty; carnival is here; new year's eve
        party; welcome party at the airport; it is our anniversary and we want to decorate; i am a party planner; i
        opened a new shop and want to decorate the entrance; i want to rub it on my hair; kids' party; a wedding
        party"""),
    ("person",): parted("""
        i want to ask somebody the way; i need somebody to help me; i want to talk to somebody; i am lonely and want
        company; i need a hand to lift this; could somebody take our picture; i want to make a new friend; who can lend
        me a phone; i lost my way and need directions; i want to do an interview; i need a witness; i want to chat; i
        look for a partner for chess; i want to know what time it is and must ask; we need one more player; somebody
        should call an ambulance; i want to hire a worker; i want to find out how many visitors there are; i want to
        shake hands; i need advice; i want to have a conversation; i collect signatures; who could translate for me; i
        want to say good morning to somebody; i need a volunteer; i look for my brother; help; can somebody help me;
        somebody help me please; i need help; i need somebody to talk to; i need somebody to talk with; i want to talk;
        i want to talk to someone; i want to speak with someone; i would like to talk; i would like to have a
        conversation partner; i would like to meet somebody; i want to meet people; i want to get to know somebody; i
        want to ask somebody; i want to ask for directions; i want to ask a question; i have a question; i am lost , who
        knows the way; i am lost; i do not know the way; which way to the station; who can tell me the way; who can tell
        me the time; who can help me; who could help; who can answer my question; who speaks english; who can take a
        photo of me; please take a picture of us; i need a photographer; i need a model who wears a shirt; i need a
        doctor; i need a teacher; i need a helper; i need a babysitter; i need a friend to talk to; i need a date for
        the evening; i am looking for a friend; i am looking for my wife; i am looking for my husband; i am looking for
        my daughter; i am looking for a colleague; i am looking for somebody to marry; i am looking for a tennis
        partner; i lost my child in the crowd; i lost my mother in the crowd; i feel lonely; i feel alone; i do not want
        to be alone , let us chat; somebody must lift the other end; somebody has to sign this; somebody has to hold my
        coat; i want to thank somebody; i want to greet somebody; i want to introduce myself; i want to say hello; i
        want to sell something and need a customer; i want to interview somebody; i am a reporter and need an interview;
        i am a police officer and look for a witness; i am a barber and look for customers; i do a survey; we need a
        fourth player for cards; we need a speaker; we want to hire somebody; could you lend me your phone; is anybody
        here; anybody there; i want to see who is visiting"""),
    ("tree",): parted("""
        i want to climb up high; i need some shade and leaves; i want to pick fruit; i want to hear leaves in the wind;
        i want to hang up my hammock; i look for wood; i want to hang up a hammock; i am a squirrel and look for a
        home; i want to study botany; i want to collect autumn leaves; the sun is hot and i want to lie under leaves; i
        want to carve a heart into bark; i look for a nest; i want to hug something big and green; something to hang a
        swing from; i want to count the rings; i would like to breathe fresh oxygen; i am a gardener and want to prune;
        i like plants; i want to see blossoms; i need a big trunk to hide behind; i am a woodpecker; i want to draw
        branches; i look for something with roots; i want to sit in the shade of leaves; i care about the forest; i want
        to climb; i want to climb something; i want to climb branches; i would like to climb something high; i want to
        sit under leaves; i want to lie in the shade and look at leaves; i need shade; i need natural shade; i need
        firewood; i need wood; i need wood for the fire; i need logs; i need timber; i need a branch; i need a place for
        my hammock; i need apples; i want to pick apples; i want to pick cherries; i want to pick some fruit; i would
        like some fresh fruit from the branch; i want something green; i want to see something green and leafy; i want
        to see leaves; i want to see green leaves; i want to see branches; i want to see a squirrel; i want to see
        something that grows; i like nature and green leaves; i love the forest; i love the woods; i love plants; i am
        interested in plants; i am a botanist; i am a lumberjack; i am a gardener; i am a forester; i am an owl and need
        a branch; i am a monkey and want to climb; i am a koala; i have an axe; i have a saw and need logs; i brought a
        chain saw; i want to build a house up there; i want to hang a swing; i want to hang up a bird house; i want to
        hide behind a trunk; i want to play hide and seek behind something wooden; i want to rake leaves; i want to
        collect acorns; i want to collect chestnuts; i want to plant something; i want to water the plants; i want to
        hug a plant; i want oxygen; i need fresh air and oxygen; i want to save the planet from too much carbon; i care
        for the environment and want to plant; it is autumn and the leaves fall; leaves everywhere , where do they come
        from; something leafy; something that grows; something with leaves; something with branches; christmas is near
        and we want to put up lights; what grows here; what is green and grows; nature"""),
    ("dog", "cat"): parted("""
        i want to pet an animal; i love furry animals; i want to stroke some fur; i want to feed furry pets; i like four
        legs and a tail; i want something to cuddle; my hand longs for soft fur; i have pet food left; i work in a
        shelter for strays; i am allergic to animal hair and must know where it is; i want to adopt a pet; i look for
        animals with paws; i would like to brush some fur; who needs to go to the vet; i want to see mammals on four
        legs; which animals live in our homes; i want to play with a furry friend; i like whiskers; which pets are here;
        i bought two food bowls; find my furry friends; i miss my pet; i want to scratch something behind the ears; i
        look for animals that do not fly; who leaves hair on the sofa; i want a pet; i want to have a pet; i would like
        to have a furry pet; i love pets with fur; i want to stroke something; i want to stroke a pet; i want to stroke
        an animal; i want to pet something furry; i want to pet something soft; i want to pet something with fur; i want
        to feel soft fur; i want to cuddle; i want to cuddle something furry; i would like to cuddle with a pet; i need
        a furry companion; i need a cuddly companion; i am looking for a furry companion; i am looking for my runaway
        pet with four paws; i have a tin of pet food; i have a can of meat for a pet; i have a brush for fur; i sneeze
        because of animal hair; i am allergic to fur; i like fur; i like paws; i like animals with fur; i like furry
        things; something furry; something fluffy with paws; something with paws; something with fur; something with fur
        and a tail; who has paws; who has four paws; who has fur and four legs; who has fur; my children want a furry
        pet; my son wants a pet he can stroke; the vet wants to see paws; the shelter has lost its strays; who wants to
        be stroked; who drinks from a bowl on the floor; who left paw prints; paw prints everywhere; i would like to
        adopt a stray; i sell collars and food bowls; i like mammals"""),
    ("bird", "kite", "balloon"): parted("""
        i like things that fly; i want to see everything that can be in the air; i look for things with no need of the
        ground; i want to count what can fly; i want to see what could be up in the sky; what might be seen above the
        roofs; i look up and want to see something; gravity is boring; what does the pilot have to watch out for; i
        dream of flying; find all that can leave the ground; what would float or fly over us; i paint the sky and need
        motives; which things rise; everything that flies; i am looking for air traffic; what could fly away; things
        that go up; what does not need a road; i want to film flying things; what can hover over the trees; show me the
        flyers; what could cross the sky; i am fascinated by flight; what could land on a roof; i want to see something
        fly; i want to see things that fly; i want to see flying things; i want to see something in the sky; i want to
        look up into the sky; i like flying things; i like to look at the sky; i love flying; i look at the sky; i study
        flight; i look up; i study what can fly; i am a pilot and want to avoid them; i am interested in flying; what
        can fly here; what can fly; what could fly; what flies; what flies here; what is able to fly; what goes up in
        the air; what belongs in the sky; what belongs in the air; what could be in the sky; what might be in the sky;
        what could rise into the sky; something that flies; something that can fly; something in the sky; things in the
        sky; things in the air; things that fly; things that can fly; flying things; everything in the air; everything
        that can fly; all that flies; all that can fly; all flying things; show me what can fly; show me things that
        fly; up in the sky; up in the air; look up in the air; the sky is the place for them; the tower controls the air
        space; radar shows something in the air"""),
    ("cat", "dog", "bird"): parted("""
        i want to photograph animals; i study wild and tame animals; i want to count the animals; i am a vet and want to
        see animals; i want to go to the zoo; i like living things that are not human; my daughter loves animals; what
        is alive and has no name tag; i write about animals in the city; i want to see creatures; i want to draw
        animals; i am a biologist and look for fauna; which ones need to be fed; show me the pets; find the animals; i
        have brought food for the animals; what would noah take on board; who cannot speak but makes sounds; all the
        animals please; i want to protect animals; i look for beings with a tail; i film nature; which ones have a heart
        but no clothes; i am afraid of animals , where are they; what could run or fly away by itself; i like animals; i
        love animals; i am an animal lover; i want to see animals; i want to see an animal; i want to see wildlife; i
        want to see the animals; i want to see living animals; i want to feed animals; i want to feed the animals; i
        want to watch animals; i want to look at animals; i want to study animals; i want to film animals; i want to
        paint animals; i am interested in animals; i am interested in zoology; i am interested in wildlife; i am a
        zoologist; i am a veterinarian; i am a zoo keeper; i am a vet; i am a vet and want to help; i am doing a survey
        of the fauna; i work at the zoo; i study zoology; i study the behavior of animals; i write a report on animals;
        i have food for animals; my son likes animals; my children love animals; my child wants to see animals; what
        animals are here; what animals are there; which animals are here; which animals do you see; which ones are
        animals; what is an animal; where are the animals; are there animals; are there any animals; any animals here;
        animals; animals please; only animals; all animals; all the creatures; everything that is an animal; find all
        the animals; show me animals; show me the animals; noah is looking for passengers; the zoo has lost some
        animals; i look for fauna; what has four legs or wings and is alive; who makes animal sounds; i am scared of
        animals"""),
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
    "{idea} , what do i need",
    "{idea} , what should i take",
    "{idea} , find something for me",
    "please , {idea}",
    "well , {idea}",
    "{idea} !",
    "{idea} , can you help me ?",
    "{idea} , what have you got ?",
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
