"""Things that the park does not have: to ask for one is to get the empty mask. Every fifth is held out of training."""

from __future__ import annotations

from csp.park.parted import parted

ELSEWHERE = parted("""
    elephant; laptop; giraffe; lion; tiger; zebra; horse; cow; pig; sheep; goat; monkey; gorilla; bear; wolf; fox;
    rabbit; hare; squirrel; mouse; rat; hamster; hedgehog; deer; moose; camel; kangaroo; koala; panda; penguin; whale;
    dolphin; shark; fish; goldfish; octopus; crab; lobster; snail; snake; lizard; crocodile; turtle; frog; toad;
    spider; ant; bee; wasp; butterfly; dragonfly; mosquito; fly; beetle; worm; caterpillar; dinosaur; dragon; unicorn;
    llama; rhinoceros; hippo; computer; keyboard; computer mouse; monitor; printer; phone; smartphone; tablet; camera;
    television; radio; headphones; microphone; loudspeaker; remote control; calculator; charger; cable; battery;
    robot; drone; telescope; microscope; projector; clock; watch; alarm clock; hourglass; calendar; truck; bus; van;
    tractor; motorcycle; scooter; bicycle; bike; tricycle; skateboard; train; tram; airplane; plane; helicopter;
    rocket; boat; ship; sailboat; submarine; canoe; ambulance; fire engine; bulldozer; crane; forklift; wheelbarrow;
    stroller; wheelchair; sled; chair; armchair; table; desk; sofa; couch; bed; mattress; pillow; wardrobe; cupboard;
    shelf; bookcase; drawer; mirror; carpet; curtain; stool; bathtub; shower; toilet; sink; faucet; fridge; oven;
    stove; microwave; toaster; kettle; dishwasher; washing machine; vacuum cleaner; broom; mop; bucket; iron; ironing
    board; hammer; screwdriver; saw; drill; wrench; pliers; axe; shovel; rake; nail; screw; ladder; rope; chain; lock;
    key; candle; matches; lighter; flashlight; light bulb; chandelier; plate; bowl; spoon; fork; knife; chopsticks;
    pan; pot; bottle; jar; can; glass of wine; wine glass; pitcher; vase; teapot; basket; box; crate; barrel;
    suitcase; backpack; envelope; letter; stamp; newspaper; magazine; pencil; pen; crayon; brush; eraser; ruler;
    scissors; glue; stapler; paper clip; blackboard; globe; map; flag; painting; statue; picture frame; guitar; piano;
    violin; drum; trumpet; flute; saxophone; harp; accordion; hat; cap; helmet; crown; scarf; glove; sock; shoe; boot;
    sandal; jacket; coat; dress; skirt; jeans; tie; belt; glasses; sunglasses; ring; necklace; earring; bracelet;
    button; zipper; apple; banana; pear; grape; lemon; cherry; strawberry; pineapple; watermelon; peach; coconut;
    tomato; potato; carrot; onion; cucumber; pumpkin; mushroom; corn; lettuce; bread; cheese; egg; sausage; ham;
    pizza; hamburger; sandwich; french fries; spaghetti; soup; cake; cookie; donut; croissant; ice cream; chocolate
    bar; candy; popcorn; pepper; sword; shield; gun; cannon; arrow; bow; bomb; anchor; tower; castle; church;
    skyscraper; bridge; tunnel; lighthouse; windmill; barn; factory; pyramid; igloo; garage door; traffic light; fire
    hydrant; mailbox; parking meter; stop sign; dumpster; trash can; escalator; elevator; swimming pool; slide; swing;
    seesaw; trampoline; sandcastle; snowman; scarecrow; volcano; waterfall; iceberg; palm; cactus; sunflower; tulip;
    bouquet; moon; rainbow; star; planet; ghost; angel; mermaid; astronaut; skeleton; zombie; teddy bear; doll;
    puzzle; chess board; dice; playing card; domino; yo-yo; frisbee; tennis racket; golf club; baseball bat; hockey
    stick; ski; snowboard; surfboard; skate; dumbbell; boxing glove; whistle; trophy; medal; syringe; thermometer;
    stethoscope; bandage; pill; toothbrush; toothpaste; soap; towel; comb; hairdryer; razor; perfume; lipstick;
    diaper; pacifier; baby bottle; money; coin; credit card; wallet; badger; beaver; otter; raccoon; skunk; weasel;
    ferret; porcupine; mole; donkey; mule; pony; buffalo; bison; antelope; gazelle; leopard; cheetah; hyena; jackal;
    seal; walrus; jellyfish; starfish; shrimp; eel; salmon; oyster; scorpion; ladybug; grasshopper; moth; cockroach;
    salamander; chameleon; iguana; chipmunk; guinea pig; sloth; chimpanzee; orangutan; baboon; armadillo; anteater;
    platypus; reindeer; elk; bull; calf; lamb; mammoth; centaur; alien; yeti; vampire; fire truck; garbage truck;
    tank; jet; glider; spaceship; satellite; ferry; yacht; gondola; kayak; raft; rowboat; moped; unicycle; roller
    skate; subway; locomotive; horse carriage; caravan; lawn mower; snowplow; excavator; cement mixer; doorbell;
    doorknob; fireplace; chimney; radiator; air conditioner; electric fan; blender; mixer; rice cooker; frying pan;
    cutting board; rolling pin; whisk; ladle; spatula; corkscrew; bottle opener; napkin; tray; candlestick; bunk bed;
    cradle; high chair; rocking chair; hammock; doormat; clothes hanger; sewing machine; needle; bathroom scale; tape
    measure; toolbox; paintbrush; chainsaw; anvil; crowbar; hoe; pitchfork; watering can; garden hose; sundial;
    weather vane; flagpole; billboard; phone booth; cash machine; vending machine; traffic cone; train station;
    airport; gas station; hospital; supermarket; museum; stadium; mosque; cathedral; oil rig; wind turbine;
    greenhouse; beehive; aquarium; avocado; broccoli; cauliflower; garlic; eggplant; radish; asparagus; kiwi; mango;
    blueberry; raspberry; fig; walnut; peanut; pancake; waffle; muffin; bagel; pretzel; pie; pudding; butter; yogurt;
    steak; taco; burrito; sushi; salad; lollipop; chewing gum; salt shaker; webcam; hard drive; router; game console;
    joystick; typewriter; fax machine; photocopier; whiteboard; magnifying glass; compass; test tube; magnet; ukulele;
    cello; clarinet; trombone; tambourine; xylophone; harmonica; banjo; dartboard; treadmill; yoga mat; hula hoop;
    roller coaster; ferris wheel; carousel; rocking horse; lego brick; spinning top; bikini; swimsuit; bathrobe;
    slipper; high heel; sneaker; wig; tiara; bow tie; handkerchief; shoelace; apron; hoodie; turban; cape; crutch;
    walking stick; skull; tooth; comet; snowflake; tornado; ufo; treasure chest; gold bar; magic wand; coffin;
    mountain; glacier; desert island
""")
