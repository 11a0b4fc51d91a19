"""What can be said of a person, an animal or a tree without its name.

Every fifth idea is held out of training: append, never insert, and let no fifth idea be a part of another.
"""

from __future__ import annotations

from csp.park.parted import parted

LIVING: dict[str, tuple[str, ...]] = {
    "person": parted("""
        could answer a question; is able to speak; is out for a walk; wears a shirt; can say hello to you; has two hands
        and ten fingers; might be waiting for a friend; pays taxes; can read and write; goes to work in the morning; has
        a name and a birthday; uses a phone; could tell you the time; can laugh at a joke; walks on two legs and wears
        trousers; went to school once; could take a photo of you; can shake hands; might vote in an election; could give
        you directions; has a job; can drive a car; could throw the ball; sings in the shower; speaks a language; could
        open the door for you; wears shoes; can sign a letter; makes plans for the weekend; can tell a lie; is
        somebody's neighbour; works in an office; is a member of a family; has a wife or a husband; earns money and
        spends it; cooks dinner at night; studies at the university; is a human being; thinks and speaks; has fingers
        and thumbs; wears trousers and a top; gets dressed in the morning; is walking through the park; is dressed; has
        clothes on; wears clothes; puts on a hat; has a face with a nose and a chin; smiles and waves; answers when you
        say hello; talks on the phone; sends emails; reads the newspaper; buys things in a shop; signs contracts;
        carries an identity card; holds an opinion; believes in god; prays in a church; dances at the disco; plays the
        guitar; tells stories at the campfire; makes jokes; asks questions; may be a teacher or a doctor; might be a
        nurse; could be a tourist; is a visitor of the park; may be a mother or a father; is somebody's son or daughter;
        has a grandmother; has parents; is a citizen; can count to a hundred; knows the alphabet; can type on a
        keyboard; uses a computer; drives to work; rides a bicycle; owns a house; pays the rent; pays with money; goes
        to the hairdresser; brushes teeth twice a day; shaves or puts on make up; gets married in white; falls in love
        and marries; went shopping; is on the way home from work; is strolling around; is taking a walk; is a
        pedestrian; walks upright; has two arms and two legs; has arms and hands; has hair on the head and a face; has
        shoulders and elbows; claps hands; points with a finger; is a homo sapiens; belongs to the human race; is
        descended from apes; invented the wheel; built the pyramids; flew to the moon; is your fellow man; could be
        called john or mary; has a first name and a last name; has a surname; celebrates a birthday; is old enough to
        vote; could become president; goes on holiday; might be a stranger; would help you if you ask; could explain the
        way; gives you advice; can be interviewed; could be a witness; speaks english; is able to talk; has a voice and
        uses words; writes poems; wears glasses when reading; feels guilty; has a conscience; has human rights; may go
        to prison for a crime; is employed; has a boss; is a customer; buys a ticket; is in a hurry to the office; might
        be a student; should do homework; is good at cooking; cries at the movies; is alive and dressed; is a man or a
        woman; is a boy or a girl; is an adult or a child"""),
    "dog": parted("""
        barks at strangers; wags its tail when it is happy; guards the house; is called the best friend of man; fetches
        a stick; goes for a walk on a leash; chases cats; herds sheep; sniffs at every corner; buries a bone; likes to
        chew on bones; pants when it is hot; helps a blind man cross the street; wears a collar; comes when you whistle;
        lives in a kennel; pulls a sled through the snow; growls at the postman; can be trained to sit and give a paw;
        has puppies; digs holes in the garden; howls at the moon; finds people under the snow; helps the police to find
        drugs; descends from the wolf; helps a hunter; drools over food; licks your face; says woof; runs after a thrown
        stick; is a loyal companion; is the best friend of man; barks; barks loudly; bites the mailman; bites burglars;
        is the animal of the shepherd; guards the sheep; is a guard at the gate; warns of burglars; protects the family
        by barking; wags its tail; wags when you come home; has a wagging tail; walks at your heel; is taken for walks;
        is walked three times a day; you walk on a leash; you put on a leash; pulls on the leash; has a leash and a
        collar; you throw sticks for; brings back the stick; retrieves what you throw; brings the newspaper; brings your
        slippers; plays fetch; loves to fetch; gnaws on a bone; eats bones; hides bones in the garden; digs for bones;
        may be a poodle; might be a terrier or a beagle; could be a dachshund; comes as a bulldog or a boxer; could be a
        labrador; is a relative of the wolf; is a tame wolf; comes from wolves; howls with the wolves; was called lassie
        in a film; is called rex or fido; is called snoopy in a comic; is goofy or pluto at disney; sleeps in a kennel;
        lives in a small house in the yard; has a wet nose; smells with a wet nose; has a very good nose; has a fine
        sense of smell; follows a scent; follows a trail with its nose; sniffs out drugs; sniffs for bombs at the
        airport; works for the police; leads the blind; guides blind people; is trained by the hunter; brings the hunter
        a duck; chases rabbits; chases the postman; hates the postman; obeys commands; knows the command sit; sits and
        stays when told; rolls over and plays dead; gives you its paw; shakes a paw; does tricks for a treat; is
        rewarded with a biscuit and a pat; lifts a leg at the lamp post; leaves its mark on every tree; you pick up
        after with a plastic bag; should not poop on the lawn; pants with its tongue out; lets its tongue hang out;
        slobbers on your shoes; drools; gives wet kisses; growls; growls and shows its teeth; snarls at strangers;
        whines at the door; yelps; is yapping all day; was a puppy once; gives birth to puppies; is a pet that barks; is
        an animal that barks; is faithful; is loyal and obedient; waits for its master; has a master; is devoted to its
        master; jumps up at you with joy; greets you at the door with joy; is the enemy of the cat; may have fleas and
        scratches behind its ear; needs to go out in the morning; needs a muzzle on the bus; needs a license and a tag;
        sleeps on the mat by the fire; runs in a pack; pulls a sledge; saves people after an avalanche; races at the
        track with a greyhound's legs; says bow wow; yaps at the fence; makes a woof; chews up your slippers; begs at
        the table"""),
    "cat": parted("""
        says meow; purrs when you stroke it; catches mice; always lands on its feet; has nine lives; drinks milk from a
        saucer; sleeps most of the day; uses a litter box; scratches the sofa; is afraid of dogs; climbs a tree and
        cannot get down; has whiskers and sharp claws; sees well at night; is related to the lion and the tiger; hisses
        when it is angry; washes itself with its tongue; plays with a ball of wool; was holy in old egypt; sits with a
        witch; curls up on your lap; hates water; hunts mice at night; has kittens; likes to sit in boxes; sneaks up on
        birds; arches its back; walks on soft paws; brings you dead mice; is quiet and likes fish; has slit eyes that
        shine in the dark; meows; meows for food; says miaow; makes a meow; purrs on your lap; hums like a small motor
        when it is content; is purring; sits on your lap and purrs; has a soft purr; loves to be stroked; is stroked on
        the sofa; you stroke until it purrs; catches a mouse; chases mice; kills mice; is the enemy of mice; keeps the
        mice away; rids the barn of mice; is after jerry in the cartoon; is called tom in the cartoon; is called
        garfield in the comic; loves lasagna in a comic; wears boots in a fairy tale; is a small relative of the lion;
        is a little tiger; belongs to the family of lions; is a feline; has whiskers; has long whiskers; feels its way
        with whiskers; has claws it can pull in; sharpens its claws; scratches the furniture; needs a scratching post;
        you buy a scratching post for; uses the litter tray; has a litter box in the bathroom; buries its business in
        the litter; comes in by a flap in the door; is said to have nine lives; lands on all four feet; falls on its
        feet; is independent; goes its own way; walks alone at night; prowls at night; sneaks about at night; sneaks and
        pounces; creeps through the grass; pounces on its prey; stalks birds; sleeps on the windowsill; naps in the sun
        all day; dozes sixteen hours a day; takes many naps; curls up by the fire; curls up and sleeps; licks its fur
        clean; is very clean and licks itself; cleans itself with its tongue; coughs up hair; hates to get wet; does not
        like to swim; likes cream and milk; licks cream; drinks milk; laps up milk; likes tuna; likes catnip; plays with
        a string of wool; chases a laser dot; sits on your keyboard; sleeps on your keyboard; knocks things off the
        table; squeezes into any box; fits into a box; hisses; hisses and spits; hisses at dogs; makes a hump; raises
        its back and hisses; fluffs up its tail; has green eyes with slits; sees in the dark; has eyes that glow in the
        dark; is the companion of a witch; brings bad luck when it is black; crosses your path and brings bad luck; was
        worshipped in egypt; was a goddess in egypt; was mummified by the pharaohs; may be persian or siamese; could be
        a siamese; has no tail on the isle of man; climbs curtains; gets stuck up a tree; is rescued from a tree by
        firemen; curiosity killed; is chased by dogs; is a pet that meows; is a pet that purrs; is an animal that purrs;
        is the mother of kittens; was a kitten once; rubs against your legs; rubs its head on your leg; wakes you at
        dawn for food; old ladies keep many of; a musical by lloyd webber is about; has velvet paws; walks silently on
        velvet paws; is quiet and elegant; is too proud to obey"""),
    "bird": parted("""
        sings and lays eggs; has wings and a beak; builds a nest; has feathers; wakes you in the morning with a song;
        eats worms; flies south in winter; sits on a wire; chirps; pecks at crumbs; hatches from an egg; has two legs
        and two wings; can be kept in a cage; flaps its wings; a cat would love to catch; tweets; picks up seeds; a
        scarecrow frightens; has hollow bones; splashes in the bird bath; drops something on your car; is watched with
        field glasses; feeds its young with its beak; may be an early riser that catches the worm; descends from
        dinosaurs; can fly by itself; an ornithologist studies; whistles a tune; lives high up in a nest; is an animal
        that flies; sings; sings in the morning; sings in the trees; chirps in the morning; chirps and sings; twitters;
        is singing; whistles in the trees; makes a tweet; makes tweet tweet; says tweet; makes music in the morning;
        flaps; flaps and flies; flies with its wings; flies with wings; flies south; flies to africa in winter; flies
        south for the winter; migrates in autumn; migrates; migrates south; broods for weeks; lays an egg; lays eggs in
        a nest; breeds eggs; sits on its eggs; hatches; hatches from eggs; came out of an egg; builds nests; builds a
        nest in spring; lives in a nest; lives in a cage or free; nests in a tree; nests; nests under the roof; has
        wings; has two wings; has wings and feathers; has colorful feathers; has a beak; has a beak and claws; has a
        beak and wings; has a bill; has plumage; has a feathered tail; has a nest; has a nest full of eggs; is covered
        with feathers; is feathered; is an animal with wings; is an animal with a beak; is an animal with feathers; is a
        feathered friend; is a feathered animal; is a singer with feathers; is a winged animal; is the animal on the
        wire; is a relative of the hen; may be a robin; might be a sparrow; could be a pigeon or a crow; could be a
        parrot; could be an owl; could be a swan or a duck; may be an eagle; is related to the chicken; is related to
        dinosaurs; is called tweety in the cartoon; is chased by sylvester; was sent out from the ark with a branch;
        brought noah a branch; carries letters when it is a pigeon; eats seeds and worms; eats seeds; eats grain; picks
        worms from the lawn; pulls worms out of the ground; catches insects in the air; catches the worm; feeds on
        seeds; feeds its chicks; feeds its young; pecks seeds; pecks; pecks at your bread; pecks with its beak; uses its
        beak; uses its beak to eat; spreads its wings; spreads its feathers; stretches its wings; lands on a branch;
        lands on a wire; perches; perches on a branch; sits on a branch; sits on a perch; sits in a cage; hops on the
        lawn; hops from branch to branch; bathes in a bath of stone; drinks from the bath in the garden; sleeps with its
        head under its wing; you feed with seeds; you feed with crumbs; you keep in a cage; you hear at dawn; you hear
        singing; you watch with binoculars; is fed in winter with seeds; is kept in a cage; is heard at dawn; is watched
        with binoculars; is hunted by cats; is food for cats; is ready to fly south; is able to fly with wings; a
        birdwatcher looks for; a birdwatcher watches; cats hunt; cats hunt for its feathers; cats chase; old women feed
        with bread; fell out of the nest; leaves the nest; leaves droppings on cars; drops on your head from a wire;
        moults; coos or caws; quacks or crows"""),
    "tree": parted("""
        grows leaves; has roots and branches; grows for a hundred years; squirrels climb; gives shade in summer; loses
        its leaves in autumn; is made of wood; birds build nests in; drinks through its roots; is a plant; has bark but
        cannot bark; makes oxygen; has rings inside that tell its age; you climb as a child; a lumberjack cuts down; you
        could hang a swing from; paper is made from; apples fall from; needs sun and water to grow; is planted by a
        gardener; has a trunk and a crown; blooms in spring; you carve your name into; rustles in the wind; holds a tree
        house; woodpeckers knock on; lightning likes to strike; turns yellow and red in october; cannot walk because of
        its roots; a whole forest is made of; grows; grows tall; grows slowly; grows from a seed; grows in the forest;
        grows in the woods; grows toward the light; grows out of the ground; grows a new ring each year; has leaves; has
        green leaves; has branches; has branches and twigs; has roots; has deep roots; has roots in the ground; has a
        trunk and branches; has a thick trunk; has bark; has rough bark; has sap; has needles or leaves; has a wooden
        trunk; has annual rings; is green and grows; is green in summer; is bare in winter; is covered with leaves; is a
        living plant; is a tall plant; is a big plant; is the plant with a trunk; is the plant that gives shade; is the
        home of squirrels; is a home for squirrels and owls; is an oak or a maple; may be an oak; might be a pine; could
        be a birch; could be a willow; could be a chestnut; could be a palm or a fir; is part of a forest; is found in
        the forest; is found in the woods; is found in an orchard; is planted in an orchard; is rooted; is rooted in the
        ground; is rooted to the spot; stays where it is planted; stands in one place for a century; stands tall for
        centuries; lives for centuries; lives longer than people; gets very old; needs water and light; needs soil;
        needs to be watered; you water; you plant; you plant for your grandchildren; you prune; you chop down; you cut
        down with an axe; you saw into logs; you get timber from; you get wood from; you pick fruit from; you pick
        apples from; you climb; you climb up; you hang a swing on; you hang a hammock on; you build a house in; you hug;
        you decorate at christmas; is decorated at christmas; stands in the living room at christmas; is felled by a
        lumberjack; is chopped down for wood; is cut down for timber; gives us timber; gives us wood; gives us fruit;
        gives oxygen; gives cool shade; produces oxygen; produces fruit and seeds; turns light into oxygen; cleans the
        air; makes shade; makes the air fresh; bears fruit; bears apples or cherries; bears nuts; drops acorns; drops
        its leaves; drops leaves in the fall; sheds leaves; sheds its leaves; loses leaves; turns golden in autumn;
        turns red in the fall; changes color in autumn; blossoms in spring; blossoms; buds in spring; sways in the wind;
        whispers in the wind; rustles; bends in a storm; falls over in a storm; may be struck by lightning; furniture is
        made from; paper comes from; boards are cut from; acorns fall from; green leaves grow on; apples grow on; fruit
        grows on; owls live in; monkeys live in; monkeys climb; birds nest in; children climb; beavers gnaw on; beavers
        fell; koalas live in; tarzan swings from; robin hood hid behind; newton sat under; buddha sat under; stood in
        paradise with an apple; does photosynthesis; is an evergreen or loses leaves; is the thing with leaves; is tall
        and leafy; is leafy"""),
}
