"""What can be said of a lifeless thing without its name.

Every fifth idea is held out of training: append, never insert, and let no fifth idea be a part of another.
"""

from __future__ import annotations

from csp.park.parted import parted

LIFELESS: dict[str, tuple[str, ...]] = {
    "ball": parted("""
        can roll and bounce; is kicked in a game; bounces when you throw it; is thrown and caught; you play football
        with; you need for a match; rolls down a hill by itself; is perfectly round; goes into a goal; a juggler needs
        several of; is hit with a bat; you throw through a hoop; is passed from player to player; two teams fight for;
        you dribble; is filled with air and kicked; flies over the net; you bowl; children throw to each other; has the
        shape of the earth; is served in volleyball; a goalkeeper tries to catch; you head into the goal; the dog could
        fetch after you throw it; you spin on a finger; makes a window break in a game; is a toy that rolls away; a
        referee puts on the middle spot; is used in many sports; you kick around with friends; rolls; rolls away; is
        rolling around; rebounds from the wall; bounces up and down; you bounce on the floor; you kick; you kick hard;
        you throw and catch; you catch with both hands; you toss to a friend; is tossed around; you shoot at the goal;
        is shot into the net; scores when it crosses the line; makes a goal; crosses the goal line; is needed for
        soccer; is used for soccer; is used in basketball; goes through the basketball hoop; is thrown into a basket;
        you dunk; you serve in tennis; is hit by a racket; crosses the net in tennis; you hit with a racket; you play
        tennis with; you play volleyball with; is used in volleyball; rugby players carry; a quarterback throws; a
        pitcher throws; a batter hits; players run after; players chase over the field; twenty two men run after; a
        striker kicks; a goalkeeper holds; a keeper catches; is kept out of the goal by the keeper; is put on the
        penalty spot; is thrown in at the side line; a referee brings to the match; players pass; is passed around; you
        need for sport; is good for a game of catch; is used in games; is used by athletes; is sports equipment; is a
        piece of sports gear; is a round toy; is a toy for a game of catch; is a toy you kick; is the thing all players
        want; is the center of every match; is a sphere; is shaped like a sphere; is spherical; is round like a globe;
        is round like an orange; is as round as the moon; has a panel pattern on it; is made of rubber and bounces; is
        made of leather and kicked; is stitched of leather pieces; is pumped up before the match; you pump up before you
        play; needs a pump when it goes flat; goes flat and no longer bounces; pele was a master of; messi is famous
        with; maradona touched with his hand; the world cup is played with; fans watch during the match; children play
        with in the yard; children kick against the wall; children roll on the floor; is in the hands of the goalkeeper;
        broke the window of the neighbour; flies over the fence of the neighbour; lands in the neighbour's garden; you
        juggle; you juggle with; jugglers keep in the air; a seal balances on its nose; a circus seal plays with; dogs
        love to run after; you balance on your foot; you head; you volley; you spin; you roll at pins; knocks down pins;
        knocks over the bowling pins; has three holes for bowling; lands in a hole in golf; is pushed with a cue; you
        play catch with; you play with on the playground; makes kids run and kick"""),
    "umbrella": parted("""
        keeps you dry in the rain; you open when it rains; protects you from a shower; you hold over your head; you
        forget on the train; gives shade on the beach; folds up when the sun is out; can be turned inside out by a
        storm; you take along when the sky is gray; you put up in bad weather; drips in the hall after a shower; keeps
        the sun off your head; has ribs and a handle; is useless in a strong wind; stops the rain from wetting your
        hair; two people share in a shower; you carry in november; the weather report tells you to take; brings bad luck
        if opened indoors; works like a small roof; you shake to get the water off; mary poppins flies with; keeps drops
        off your glasses; stands wet in the corner; is handy when it pours; opens with a button; saves your hairdo in a
        downpour; you need when clouds burst; shields you from drizzle; is like a tent on a stick; stops drops from
        falling on you; keeps off the rain; keeps rain away; protects you from the rain; protects you from getting wet;
        you take against the rain; you use in the rain; you need in the rain; you need when it rains; you open in the
        rain; you open over your head; you put up when it rains; is opened when it rains; is used in rainy weather; is
        good in bad weather; is useful on a rainy day; is needed on rainy days; is your shelter in a storm; helps in a
        shower; helps when it pours; is for wet weather; is for rainy days; keeps you from getting soaked; saves you
        from getting soaked; stops you getting wet; lets you walk dry through the rain; keeps your clothes dry; keeps
        your head dry; keeps your hair dry; sheds water; repels water; is waterproof; is made of waterproof cloth; is
        made of nylon and metal ribs; has metal ribs; has spokes covered with cloth; has a curved handle; has a handle
        like a hook; has a hooked handle; has a canopy on a stick; is a canopy on a stick; is a roof on a stick; is a
        roof you carry; is a portable roof; is a shelter you carry; is a shield against the rain; is a protection from
        rain; is an accessory for bad weather; opens and closes over your head; unfolds over your head; folds together
        when it is dry; collapses and fits in a briefcase; snaps open; opens like a mushroom; looks like a mushroom; is
        shaped like a dome; is shaped like half a dome; spreads out above you; covers your head; you carry above you;
        you carry in a storm; you carry in london; londoners carry; every englishman carries; an english gentleman
        carries; a gentleman with a bowler hat carries; the wind turns inside out; flips over in the wind; breaks in a
        gale; is often left on the bus; is left behind at the office; you often leave behind; people lose all the time;
        people open when drops fall; people fight under in a crowd on a wet day; is kept in a stand by the door; stands
        in the hall by the coats; you leave by the door to dry; you shake dry; rihanna sang about; mary poppins floats
        with; is the means of travel of mary poppins; the penguin fights batman with; gene kelly danced with in the
        rain; gives you shade; shades you from the sun; shades your table at the cafe; keeps the sun away on the beach;
        you plant in the sand for shade; you lie under on the beach; protects from sunburn; a small paper one decorates
        a cocktail; decorates a cocktail when it is tiny; should not be opened in the house; is bad luck indoors; is in
        use during a storm; you fold up when the rain stops; is closed when the sky clears; meteorologists recommend
        when clouds gather; raindrops drum on; raindrops run down; rain falls on; a monsoon calls for; april showers
        call for"""),
    "bench": parted("""
        gives tired legs a rest; you can sit on; is made for sitting; seats several people; old men feed pigeons from;
        you would eat your lunch on; lovers carve hearts into; offers a place to wait; has a back to lean on; you take a
        break on; stands still and invites you to rest; a tramp might sleep on; you rest on after a long walk; is
        furniture for outdoors; has wooden boards and iron legs; you tie your shoes on; is longer than a chair; grandma
        would need after ten steps; you can lie down on; lets you watch the people go by; a tired jogger looks for; is a
        chair for three; players wait on during the match; you would put your feet up on; has no wheels but four legs;
        you sit on to read the paper; gives your back some support; wet paint makes unusable; you and a friend chat on;
        is offered to people who cannot stand long; you sit on; you sit down on; you take a seat on; you rest on; you
        relax on; you sit and wait on; is for sitting; is good for sitting; is used for sitting; is used as a seat; is
        meant to be sat on; lets you sit down; allows you to sit; invites you to sit; is comfortable to sit on; is a
        place to sit; is a place to rest; is a place for a break; is a spot to relax; is a resting place; is a seat for
        several people; is a seat for two or three; is a long seat; is a piece of furniture; is a kind of furniture; is
        a sort of long chair; is the furniture of a park; is the couch of the park; is a wooden seat; has room for three
        people; has room for two lovers; has space for several people; has a backrest; has a backrest and armrests; has
        armrests; has a seat and a back; has slats; has wooden slats; has planks and iron feet; is made of planks; is
        made of wooden planks; is built of boards and bolts; is bolted to the ground; is screwed to the ground; helps
        when you are tired; is furniture; helps tired legs; gives you a rest; gives your feet a rest; is needed by old
        people; is used by the elderly; is used by people who are tired; tired walkers sit on; tired people rest on; old
        people sit on; pensioners sit on; couples sit on; lovers kiss on; lovers sit on; tourists rest on; mothers sit
        on while kids play; workers eat lunch on; people sit on; people wait for a bus on; two people sit on; you wait
        for the bus on; is found at a bus stop; stands at the bus stop; stands in parks for visitors to sit; is often
        found in parks and waiting rooms; is found in a locker room to sit on; is found in a church as a pew; the judge
        sits on; substitutes sit on; reserves sit on during the game; the coach sits on; you read the newspaper on; you
        feed the pigeons from; you feed the ducks from; you eat a sandwich on; you have a picnic lunch on; you enjoy the
        view from; you watch people from; you admire the sunset from; you lean back on; you stretch out on; you nap on;
        a homeless man sleeps on; a drunk sleeps on; forrest gump tells his story on; forrest gump sat on with his
        chocolates; seats two or three; seats four people; can seat a whole family; supports your back; supports your
        bottom; carries the weight of sitting people; carries a plaque in memory of somebody; was donated in memory of a
        visitor; is freshly painted so do not sit down; is hard on your bottom; is like a sofa but hard; is like a couch
        made of wood; is a sofa for outdoors; is relaxing; you lift weights on in the gym; you put your bottom on; you
        catch your breath on; you take a nap on; you have a chat on; takes the load off your feet"""),
    "car": parted("""
        needs petrol; has four wheels and an engine; can drive you home; you park and lock; has a steering wheel; takes
        you to work; you need a license for; has headlights; stands in a traffic jam; you wash on saturday; goes into a
        garage; runs on a road; has doors and windows and a horn; you fill up at a gas station; a mechanic repairs;
        makes noise and smoke; is driven on the highway; has seat belts; gets a parking ticket; honks; is the fastest
        way out of here; has a trunk for your luggage; needs new tires in winter; carries a family on holiday; must stop
        at a red light; has a license plate; you start with a key; pollutes the air; weighs more than a ton; is not
        allowed on the lawn; you steer with a wheel; you drive to work; you drive on the road; you steer; you park in a
        garage; you park; you lock with a key; you get in and drive off; you ride in; you travel in; you buckle up in;
        you refuel; you fill with petrol; you fill with gasoline; you insure; you rent at the airport; you buy from a
        dealer; you wash; you crash; you repair in a garage; you need a licence to drive; is driven; is driven on roads;
        is driven by a chauffeur; is driven on the motorway; is parked; is parked in the street; is used for transport;
        is used to get around; is used for driving; is used for long trips; is good for a road trip; is repaired by a
        mechanic; is towed away; is washed on sundays; is fast; is fast and loud; is faster than a horse; is made of
        metal and glass; is made of steel; is built in a factory in detroit; is built by ford; is built by toyota or
        volkswagen; may be a mercedes or a bmw; could be a ferrari; could be a taxi; is a means of transport; is a means
        of transportation; is a machine with wheels; is a machine with a motor; is a way to get to work; is a vehicle;
        is the vehicle of a family; is transport; is an invention of karl benz; was invented by benz; was made by henry
        ford; has wheels; has four wheels; has wheels and an engine; has an engine; has an engine under the hood; has a
        motor; has a driver; has a driver and passengers; has a windshield and wipers; has wipers; has tires; has rubber
        tires; has brakes and a clutch; has pedals and gears; has a gearbox; has doors and seats; has a hood and a
        trunk; has a bumper; has a number plate; has an exhaust pipe; has a horn; has mirrors and lights; has lights for
        the night; has horsepower; has airbags; runs on petrol; swallows fuel; runs on diesel; runs on electricity when
        it is modern; runs on four wheels; drives; drives fast; drives on the road; drives down the street; rolls on
        tires; needs gas; needs fuel; needs oil and fuel; needs parking space; needs a parking space; needs a driver;
        needs a road; burns fuel; burns petrol; takes you home; takes you to the office; takes you places; takes you
        from place to place; takes people from a to b; takes you far; brings you home quickly; brings the family to the
        beach; gets you home fast; carries passengers; carries passengers on the road; carries five people; transports
        people; transports the family; moves on wheels; moves fast on the road; speeds on the highway; races at le mans;
        races in formula one; makes vroom; goes vroom; goes beep; beeps and toots; pollutes the city; pollutes; makes
        exhaust fumes; brakes at a red light; stops at traffic lights; turns left with a blinker; breaks down on the
        highway; gets a flat tire; gets you there faster than walking; commuters sit in; drivers sit in; people drive;
        people commute by; a driver steers; a mechanic fixes; thieves hotwire; police stop for speeding; must be
        inspected; is stuck in traffic; costs a lot of petrol; weighs a ton"""),
    "kite": parted("""
        flies on a string in the wind; rises when the wind blows; is tied to a string and flies; needs wind to stay up;
        children fly in autumn; has a long tail and dances in the air; you hold by a string; gets stuck in trees; falls
        down when the wind stops; you run with to make it rise; is made of paper and sticks; franklin used to catch
        lightning; you let up on a windy hill; is shaped like a diamond in the sky; pulls at your hand; you unroll a
        line for; needs a good breeze; crashes when the line breaks; you steer with two lines; cannot fly on a calm day;
        was invented in china; is a toy for windy days; hangs in the air at the end of a line; flutters high over the
        beach; has no engine and no wings but flies; you bring down by winding up the string; loops in the wind; is
        light and flat and flies; you launch against the wind; might tangle its cord; flies on a string; flies in the
        wind; flies when you hold the string; flies at the end of a line; you fly on a string; you fly in the wind; you
        fly at the beach; you fly on a windy day; you hold on a string; you hold on a line; you pull on a string; you
        steer with a string; you run with on a windy day; you run to launch; you launch in the wind; you let rise in the
        wind; you wind in; is flown on a string; is flown in the wind; is flown by children in autumn; is flown on a
        windy beach; is flown in the fall; is held by a string; is held by a long line; is tied to a line; is attached
        to a string; is attached to a cord; is tethered; is on a leash of string in the sky; is lifted by the wind; is
        lifted by a breeze; is blown up into the sky by wind; is carried by the wind; is kept up by the wind; is driven
        by the wind; is used in windy weather; is good for windy days; is good on a windy day; is for windy days; is fun
        in the wind; is fun on a windy day; needs wind; needs wind to fly; wants a good breeze; needs a strong breeze;
        needs a string; depends on the wind; uses the wind; works only in the wind; works only when it is windy; does
        not fly without wind; will not fly on a calm day; likes windy weather; rides on the wind; rides the wind; soars
        in the wind; soars on a string; dances in the wind; dances at the end of a string; tugs at the string; tugs at
        your hand; pulls on the line; has a string and a tail; has a long string; has a tail with bows; has a tail of
        ribbons; has a tail and a string; has ribbons on its tail; has a frame of sticks; has a frame and a sail; has a
        cross of two sticks inside; has four corners and a tail; has the shape of a diamond; is shaped like a diamond;
        is a diamond on a string; is a toy on a string; is a toy for the wind; is a toy for autumn; is a toy that needs
        wind; is a flying toy with a tail; is a piece of cloth in the wind; is a piece of paper on a string; is a sail
        on a string; is a thing for windy weather; is a hobby for a windy hill; is made of paper and wood; is made of
        cloth and sticks; is made of paper and string; is made of silk and bamboo; is made of bamboo in china; is built
        from sticks and paper; is glued together from paper and sticks; comes from china; was known in old china;
        charlie brown cannot get up; charlie brown loses to a tree; a tree eats in the peanuts; franklin flew in a
        thunderstorm; ben franklin flew; franklin tied a key to; afghan boys fight with; mr banks mends at the end of
        mary poppins; children let fly; children run with on a windy hill; children hold on a string; boys and girls fly
        in october; surfers are pulled by; catches the wind; catches a gust; crashes when the wind drops; dives and
        crashes; comes down when the wind drops; stays up as long as it is windy; swoops and loops; goes up against the
        wind; gets tangled in a tree; gets caught in power lines; should not come near power lines; hovers on a line
        high up; is colorful and has a tail and a line; is light and catches the wind"""),
    "cup": parted("""
        holds a hot drink; you drink coffee from; tea is poured into; has a handle and holds tea; you fill at breakfast;
        is put on a saucer; you stir sugar in; keeps your cocoa warm; breaks when it falls on the floor; goes into the
        dishwasher; steams in the morning; you sip from; you put milk and coffee into; stands next to the kettle; is
        made of china; wakes you up in the morning; you raise to your lips; leaves a ring on the table; you could have a
        latte in; is empty after a few sips; you wrap your cold hands around; you warm soup in; is what a barista hands
        you; holds about a quarter of a liter; belongs in the kitchen; quenches your thirst; you blow on before
        drinking; you dunk a biscuit in; has a rim and a bottom; comes with a spoon; you drink from; you drink out of;
        you drink tea from; you drink coffee out of; you drink coffee with milk from; you sip; you sip tea from; you
        pour coffee into; you pour tea into; you pour a drink into; you put coffee in; you put tea in; you put a tea bag
        into; you fill with coffee; you fill with tea; you fill with hot chocolate; you refill; you stir; you stir with
        a spoon; you hold by its handle while drinking; you lift to drink; you rinse in the sink; you wash up after tea;
        you put into the dishwasher; you use at breakfast; you use for coffee; you hold your coffee in; you warm your
        hands on; is for drinking; is for coffee; is for tea; is for hot drinks; is used for drinking; is used for
        drinks; is used for coffee; is good for coffee; is good for a hot drink; is good for hot chocolate; is full of
        coffee; is full of tea; is filled with coffee; is filled with a hot drink; is filled by the waiter; is full of
        caffeine; is half full or half empty; is made of porcelain; is made of porcelain or clay; is made of ceramic; is
        made of baked clay; is made by a potter; is part of a tea set; is part of the crockery; is part of the dishes;
        is crockery; is tableware; is found in the kitchen; is found in a cafe; is found on a saucer; is kept in the
        kitchen cupboard; is served in a cafe; is served at starbucks; is brought by the waitress; is on the breakfast
        table; is a drinking vessel; is a vessel for drinks; is a vessel for hot drinks; is a container for drinks; is a
        container for coffee; is a piece of crockery; is a dish with a handle; is a companion of the saucer; is the
        partner of the saucer; is the friend of the coffee drinker; is the thing on a saucer; is the thing for coffee;
        holds coffee; holds tea; holds coffee or tea; holds a drink; holds liquid; holds a warm drink; holds cocoa;
        holds milk or cocoa; holds your espresso; holds your cappuccino; contains coffee; contains tea; contains a
        drink; contains a hot drink; contains caffeine; contains something to drink; has coffee in it; has tea in it;
        has something to drink in it; has a handle for drinking; has a handle and a saucer; has an ear to hold it by and
        hot tea in it; stands on a saucer; stands on a coaster; comes with a saucer; belongs to a tea set; keeps coffee
        warm; keeps tea hot; keeps tea from spilling; helps when you are thirsty; helps against thirst; helps you drink;
        lets you drink; lets you have a coffee; is steaming hot; steams; gives off steam; spills coffee when you
        stumble; spills when you shake it; chips when you drop it; stains when tea dries in it; leaves a coffee ring;
        coffee is served in; coffee goes in; coffee is poured into; tea is served in; tea is drunk from; cocoa is served
        in; milk goes in; people drink from; people drink coffee from; workers drink coffee from; the mad hatter holds
        at his party; alice was offered at the mad party; the queen lifts at tea time; the english need at five o'clock;
        is lifted at tea time; is needed at tea time; is raised with the little finger out; quenches thirst; is good
        when you are thirsty; is useful for thirsty people; thirsty people want; thirsty people need; fortune tellers
        read leaves in; has world's best dad printed on it"""),
    "book": parted("""
        has pages to turn; tells a story in print; you find in a library; has chapters and a cover; you read in bed; an
        author writes; you put a bookmark in; stands on a shelf; you study before an exam; is full of words; can be
        borrowed and must be returned; has a title and an index; a bookworm loves; is printed on paper; might be a
        thriller or a romance; teaches you something; you open at page one; gets made into a film; a student needs; is
        sold by the publisher; you read to a child at bedtime; has a happy end; contains knowledge; you hide a letter
        in; is written by a poet; gets dog ears; is thick and made of paper; a teacher asks you to open; keeps you up
        all night reading; you turn the leaves of; you read; you read on the train; you read at school; you read for
        fun; you read from cover to cover; you can read; you open and read; you learn from; you study; you study from;
        you study for school; you borrow from the library; you return to the library; you find on a shelf in the
        library; you buy to read; you write; you publish; you turn the pages of; you browse through; you leaf through;
        you flip through; you look things up in; you close at the last page; you cannot put down; you should not judge
        by its cover; you finish reading; you start reading; you open to a page; you quote from; you take notes from; is
        for reading; is made for reading; is good for reading; is good for learning; is good for students; is used for
        studying; is used at school; is used for learning; is read; is read by many people; is read at school; is read
        in bed; is read aloud at bedtime; is written; is written by an author; is written by a novelist; is written in
        chapters; is printed; is printed and bound; is bound in leather; is made of paper and ink; is made of pages; is
        made of many pages; is full of letters; is full of stories; is full of pages; is full of knowledge; is full of
        facts; is full of text; is on the bestseller list; is borrowed from a library; is found in a library; is found
        on a shelf; is found in a classroom; is kept in a library; is lent by a librarian; is sold in a shop next to
        magazines; is a source of knowledge; is a source of wisdom; is a work of literature; is a work of fiction; is a
        bestseller; is a piece of literature; is a thing to read; is a present for readers; is a bunch of pages; is the
        work of a writer; is an author's work; is the friend of the reader; is literature; is educational; is
        interesting to read; has pages; has many pages; has paper pages; has pages and a cover; is divided into parts
        and pages; has several chapters; has a plot; has a plot and characters; has a hero and a villain; has an author;
        has a writer; has a spine and a cover; has a spine and pages; has a cover and a title; has a table of contents;
        has a preface; has page numbers; has text and pictures; has words in it; has words and sentences; has letters in
        it; contains a story; contains stories; contains text; contains words; contains poems; contains recipes;
        contains many pages; contains information; tells a story; tells a tale; tells you about history; teaches you
        history; tells stories; teaches; teaches you things; teaches you mathematics; makes you smarter; makes you
        wiser; makes good reading; entertains readers; informs the reader; might be a bible; could be a dictionary; may
        be a novel; could be a cookbook; may be fiction or fact; could be about harry potter; tolkien wrote; shakespeare
        wrote; agatha christie wrote; hemingway wrote; harry potter appears in; hermione carries; students read;
        students study; students learn from; readers love; readers enjoy; librarians lend; librarians put in order;
        writers write; writers sign for fans; authors write; authors sign; critics review; gutenberg printed; scholars
        study; pupils bring to class; monks copied by hand; opens to pages; opens at chapter one; belongs in the
        library; belongs in a library; begins with once upon a time; ends with the last chapter; helps you learn; helps
        with homework; helps against boredom on a train; needs a reader; smells of paper and ink"""),
    "balloon": parted("""
        would pop if a needle touched it; is filled with gas; is blown up for a party; goes up when you let it go;
        bursts with a bang; floats because it is lighter than air; you blow up with your mouth; shrinks after a few
        days; clowns twist into animals; decorates a birthday; is made of rubber and full of air; a child cries after
        when it flies away; is sold at the fair; hates needles; you rub on your hair to make it stick; rises into the
        sky by itself; hangs over the birthday table; contains helium; makes your voice squeaky; you tie to the chair of
        the birthday child; is thin and stretchy; you let fly at a wedding; wants to float away; loses air with a hiss;
        has a knot at the bottom; you fill with water for a fight; should not meet a cactus; drifts over the roofs;
        explodes when it is pricked; shows where the party is; pops; pops loudly; pops when it touches a needle; can
        pop; bursts when you squeeze it; bursts; bursts at a touch of a pin; can burst; goes bang; goes pop; makes a
        bang when it bursts; is kept up by a light gas; is full of hot air; is full of air; is full of gas; is filled
        with helium; is filled with air; is filled with your breath; is inflated; is inflated for a party; is inflated
        with air; is inflated by mouth; is blown up; is blown up by mouth; is blown up at parties; is blown up for
        birthdays; is used at parties; is used for decoration; is used for birthdays; is used at a birthday party; is
        good for parties; is good for a birthday; is for parties; is for birthdays; is made of latex; is made of rubber;
        is made of thin rubber; is made of rubber and gas; is lighter than air; is light as air; is afraid of needles;
        is afraid of pins; is tied with a knot; is tied to a child's wrist; is tied to the gate at a birthday; is found
        at parties; is found at a birthday party; is found at the fair; is sold by clowns; is sold at the fun fair; is
        festive; is a party decoration; is a decoration for birthdays; is a decoration; is a rubber skin full of air; is
        a thing for parties; is a thing that pops; is a sign of a birthday; is the stuff of birthday parties; you
        inflate with helium; you inflate; you blow up; you blow air into; you blow up for a party; you burst with a pin;
        you prick with a needle; you pop; you pop with a pin; you hang up at a party; you hang up for a birthday; you
        decorate with; you decorate a party with; you get at the fair; you buy for a birthday; you fill with helium; you
        fill with gas; you tie a knot in; you let go of and it rises; you should keep away from needles; needs helium;
        needs air inside; needs to be inflated; needs to be blown up; needs to be blown up first; contains gas; contains
        air; contains nothing but air; has air inside; has gas inside; has helium in it; has a knot; has a thin rubber
        skin; has a knot and a ribbon; has a ribbon hanging down; floats upward; floats; floats up to the ceiling;
        floats away; floats up when you let go; floats with helium; floats in the air without wind; rises; rises because
        of helium; rises when filled with helium; rises to the ceiling; drifts away; drifts up into the clouds; hangs at
        the ceiling; sticks to the ceiling; goes flat after a week; loses its air; leaks air; shrinks when it leaks;
        shrivels up; deflates slowly; deflates; deflates with a rude noise; flies around the room when the knot opens;
        expands when you blow; stretches when you blow; swells when you blow into it; gets bigger when you blow; grows
        when you blow air in; decorates a party; decorates parties; decorates the birthday table; belongs to a birthday
        party; belongs to a party; makes a party more festive; makes children happy at a party; makes a squeaky noise
        when rubbed; makes your hair stand up; children want at the fair; children get at birthday parties; children
        blow up; clowns sell; clowns give to kids; clowns shape into dogs; guests blow up for the party; winnie the pooh
        reaches honey with; winnie the pooh hangs on; nena sang about ninety nine of; lifted the old man's house in a
        film; hangs in bunches at a party; comes in bunches; brings party mood; does not survive a needle; explodes;
        explodes if you sit on it"""),
    "bag": parted("""
        you carry your things in; has a clasp and carries things; a wallet is kept in; you pack for shopping; hangs over
        your shoulder; a thief might snatch; holds keys and a phone; you put your groceries into; has handles and a zip;
        you search for your keys in; is made of leather; you take to the market; matches her shoes; costs a fortune if
        it is a brand; carries your lunch; has pockets inside; you leave at the cloakroom; is checked at the airport;
        you empty on the table; keeps lipstick and tissues; you hold by its straps; is packed before a trip; a customs
        officer wants to look into; you need to bring things home from the shop; gets heavy with books; can be opened
        and filled; a lady never leaves home without; you sling over your arm; could hold a secret; stores what your
        pockets cannot; you carry; you carry things in; you carry on your arm; you carry over your shoulder; you carry
        your shopping in; you carry groceries in; you carry home from the shop; you put things in; you put your things
        in; you put your keys in; you put your wallet into; you put your shopping into; you put your money in; you keep
        your wallet in; you keep your money in; you keep your phone in; you keep your keys in; you keep make up in; you
        keep your belongings in; you pack for a trip; you pack; you pack your lunch in; you unpack at home; you zip up;
        you open with a zip; you hang over your arm; you hang over a chair; you bring along to the store; you take to
        the shops; you take to the supermarket; you take to school; you take to the gym; you bring to the supermarket;
        you fill with groceries; you fill with shopping; you stuff with things; you store things in; you rummage in; you
        search through for your phone; you get at the checkout; you get at the supermarket; is for carrying things; is
        for shopping; is for groceries; is used for shopping; is used for carrying things; is used to carry things; is
        used to transport things; is used by shoppers; is good for shopping; is good for carrying; is good for
        groceries; is useful for shopping; is handy for shopping; is carried by its handles; is carried; is carried over
        the shoulder; is carried on the arm; is carried by ladies; is full of things; is full of groceries; is full of
        shopping; is full of useful things; is packed with things; is packed with groceries; is stuffed with things; is
        made of leather or cloth; is made of plastic or paper; is made by gucci; is made by prada or hermes; is designed
        by louis vuitton; is fashionable; is elegant and made of leather; is luggage; is searched by customs; is stolen
        by thieves; is snatched by thieves; is found in a woman's hand; is found at the checkout; is handed over at the
        checkout; is a container for things; is a container with handles; is a container you carry; is a fashion
        accessory; is an accessory for ladies; is a piece of luggage; is a present for a fashion lover; is a place for
        your wallet; is a place for keys and phone; is the thing for shopping; has handles; has two handles; has handles
        for carrying; has straps; has a strap; has a shoulder strap; has a zip; has a zipper; has a zipper and pockets;
        has many pockets; has a clasp; has pockets; has a lining; has a lot of things inside; has your keys in it; has
        money and keys in it; holds things; holds your things; holds your belongings; holds groceries; holds shopping;
        holds your purchases; holds money; holds your wallet; holds your wallet and keys; holds a purse and keys; holds
        make up; holds everything a lady needs; contains a wallet; contains keys; contains your keys; contains your
        wallet; contains money and keys; contains groceries; contains shopping; contains lipstick; carries things;
        carries your things; carries shopping; carries groceries; carries your belongings; carries your laptop; carries
        your stuff; transports things; transports your shopping; transports groceries; stores things; stores your
        things; stores your belongings; keeps your things together; keeps your money safe; keeps your keys and wallet;
        keeps your belongings; helps you carry things; helps with the shopping; helps to carry things; hangs on your
        arm; hangs from your shoulder; hangs over the shoulder; goes with you to the shops; goes with the shoes; might
        be from gucci; might be a clutch; could be a sack; is a sack with handles; ladies carry; ladies wear over the
        shoulder; women carry; women keep lipstick in; women keep their keys in; shoppers carry; shoppers fill; thieves
        steal; thieves snatch; pickpockets reach into; students bring to class; students put their laptop in; travellers
        pack; travellers carry; passengers put in the overhead locker; mary poppins pulls a lamp out of; the cashier
        hands you; opens with a zipper; opens with a clasp; closes with a zip; should not be left alone at the station;
        must be opened at customs; must be packed before leaving"""),
}
