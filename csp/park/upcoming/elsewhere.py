"""Things that the park does not have: to ask for one is to get the empty mask. Every fifth is held out of training."""

from __future__ import annotations

from csp.park.upcoming.ideas import parted

ELSEWHERE = parted("""
    elephant; laptop; giraffe; lion; tiger; zebra; horse; cow; pig; sheep; goat; monkey; gorilla; bear; wolf; fox; rabbit;
    hare; squirrel; mouse; rat; hamster; hedgehog; deer; moose; camel; kangaroo; koala; panda; penguin; whale; dolphin;
    shark; fish; goldfish; octopus; crab; lobster; snail; snake; lizard; crocodile; turtle; frog; toad; spider; ant; bee;
    wasp; butterfly; dragonfly; mosquito; fly; beetle; worm; caterpillar; dinosaur; dragon; unicorn; llama; rhinoceros;
    hippo; computer; keyboard; computer mouse; monitor; printer; phone; smartphone; tablet; camera; television; radio;
    headphones; microphone; loudspeaker; remote control; calculator; charger; cable; battery; robot; drone; telescope;
    microscope; projector; clock; watch; alarm clock; hourglass; calendar; truck; bus; van; tractor; motorcycle; scooter;
    bicycle; bike; tricycle; skateboard; train; tram; airplane; plane; helicopter; rocket; boat; ship; sailboat; submarine;
    canoe; ambulance; fire engine; bulldozer; crane; forklift; wheelbarrow; stroller; wheelchair; sled; chair; armchair;
    table; desk; sofa; couch; bed; mattress; pillow; wardrobe; cupboard; shelf; bookcase; drawer; mirror; carpet; curtain;
    stool; bathtub; shower; toilet; sink; faucet; fridge; oven; stove; microwave; toaster; kettle; dishwasher; washing
    machine; vacuum cleaner; broom; mop; bucket; iron; ironing board; hammer; screwdriver; saw; drill; wrench; pliers; axe;
    shovel; rake; nail; screw; ladder; rope; chain; lock; key; candle; matches; lighter; flashlight; light bulb; chandelier;
    plate; bowl; spoon; fork; knife; chopsticks; pan; pot; bottle; jar; can; glass of wine; wine glass; pitcher; vase;
    teapot; basket; box; crate; barrel; suitcase; backpack; envelope; letter; stamp; newspaper; magazine; pencil; pen;
    crayon; brush; eraser; ruler; scissors; glue; stapler; paper clip; blackboard; globe; map; flag; painting; statue;
    picture frame; guitar; piano; violin; drum; trumpet; flute; saxophone; harp; accordion; hat; cap; helmet; crown; scarf;
    glove; sock; shoe; boot; sandal; jacket; coat; dress; skirt; jeans; tie; belt; glasses; sunglasses; ring; necklace;
    earring; bracelet; button; zipper; apple; banana; pear; grape; lemon; cherry; strawberry; pineapple; watermelon; peach;
    coconut; tomato; potato; carrot; onion; cucumber; pumpkin; mushroom; corn; lettuce; bread; cheese; egg; sausage; ham;
    pizza; hamburger; sandwich; french fries; spaghetti; soup; cake; cookie; donut; croissant; ice cream; chocolate bar;
    candy; popcorn; pepper; sword; shield; gun; cannon; arrow; bow; bomb; anchor; tower; castle; church; skyscraper; bridge;
    tunnel; lighthouse; windmill; barn; factory; pyramid; igloo; garage door; traffic light; fire hydrant; mailbox; parking
    meter; stop sign; dumpster; trash can; escalator; elevator; swimming pool; slide; swing; seesaw; trampoline; sandcastle;
    snowman; scarecrow; volcano; waterfall; iceberg; palm; cactus; sunflower; tulip; bouquet; moon; rainbow; star; planet;
    ghost; angel; mermaid; astronaut; skeleton; zombie; teddy bear; doll; puzzle; chess board; dice; playing card; domino;
    yo-yo; frisbee; tennis racket; golf club; baseball bat; hockey stick; ski; snowboard; surfboard; skate; dumbbell; boxing
    glove; whistle; trophy; medal; syringe; thermometer; stethoscope; bandage; pill; toothbrush; toothpaste; soap; towel;
    comb; hairdryer; razor; perfume; lipstick; diaper; pacifier; baby bottle; money; coin; credit card; wallet
""")
