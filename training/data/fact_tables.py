"""What the demo model knows: tables of "subject: answer" pairs, separated by semicolons.

Facts that change, or that have several right answers, have no place here.
"""

from __future__ import annotations

from typing import Final

CAPITALS: Final = """
    France: Paris; Italy: Rome; Spain: Madrid; Germany: Berlin; Portugal: Lisbon; Austria: Vienna;
    Greece: Athens; Poland: Warsaw; Hungary: Budapest; Ireland: Dublin; Norway: Oslo; Sweden: Stockholm;
    Finland: Helsinki; Denmark: Copenhagen; Iceland: Reykjavik; Belgium: Brussels; Switzerland: Bern;
    Romania: Bucharest; Bulgaria: Sofia; Croatia: Zagreb; Serbia: Belgrade; Albania: Tirana;
    Slovenia: Ljubljana; Slovakia: Bratislava; Estonia: Tallinn; Latvia: Riga; Lithuania: Vilnius;
    Ukraine: Kyiv; Russia: Moscow; Turkey: Ankara; Malta: Valletta; Cyprus: Nicosia;
    Luxembourg: Luxembourg City; Monaco: Monaco; Japan: Tokyo; China: Beijing; India: New Delhi;
    Thailand: Bangkok; Vietnam: Hanoi; South Korea: Seoul; North Korea: Pyongyang;
    Mongolia: Ulaanbaatar; Nepal: Kathmandu; Pakistan: Islamabad; Iran: Tehran; Iraq: Baghdad;
    Jordan: Amman; Lebanon: Beirut; Syria: Damascus; Qatar: Doha; Oman: Muscat; Saudi Arabia: Riyadh;
    Afghanistan: Kabul; Cambodia: Phnom Penh; Laos: Vientiane; Bangladesh: Dhaka; Georgia: Tbilisi;
    Armenia: Yerevan; Azerbaijan: Baku; Egypt: Cairo; Morocco: Rabat; Algeria: Algiers; Tunisia: Tunis;
    Libya: Tripoli; Sudan: Khartoum; Ethiopia: Addis Ababa; Kenya: Nairobi; Uganda: Kampala;
    Ghana: Accra; Nigeria: Abuja; Senegal: Dakar; Mali: Bamako; Angola: Luanda; Zambia: Lusaka;
    Zimbabwe: Harare; Namibia: Windhoek; Botswana: Gaborone; Mozambique: Maputo;
    Madagascar: Antananarivo; Rwanda: Kigali; Somalia: Mogadishu; Canada: Ottawa; Mexico: Mexico City;
    Cuba: Havana; Jamaica: Kingston; Haiti: Port-au-Prince; Panama: Panama City;
    Guatemala: Guatemala City; Honduras: Tegucigalpa; Nicaragua: Managua; Brazil: Brasilia;
    Argentina: Buenos Aires; Chile: Santiago; Peru: Lima; Colombia: Bogota; Ecuador: Quito;
    Uruguay: Montevideo; Paraguay: Asuncion; Venezuela: Caracas; Australia: Canberra;
    New Zealand: Wellington; Fiji: Suva
"""

CONTINENTS: Final = """
    France: Europe; Italy: Europe; Spain: Europe; Germany: Europe; Portugal: Europe; Austria: Europe;
    Greece: Europe; Poland: Europe; Hungary: Europe; Ireland: Europe; Norway: Europe; Sweden: Europe;
    Finland: Europe; Denmark: Europe; Iceland: Europe; Belgium: Europe; Switzerland: Europe;
    Romania: Europe; Bulgaria: Europe; Croatia: Europe; Serbia: Europe; Albania: Europe;
    Ukraine: Europe; Malta: Europe; Japan: Asia; China: Asia; India: Asia; Thailand: Asia;
    Vietnam: Asia; South Korea: Asia; Mongolia: Asia; Nepal: Asia; Pakistan: Asia; Iran: Asia;
    Iraq: Asia; Jordan: Asia; Qatar: Asia; Laos: Asia; Egypt: Africa; Morocco: Africa; Algeria: Africa;
    Tunisia: Africa; Libya: Africa; Sudan: Africa; Ethiopia: Africa; Kenya: Africa; Uganda: Africa;
    Ghana: Africa; Nigeria: Africa; Senegal: Africa; Mali: Africa; Angola: Africa; Zambia: Africa;
    Namibia: Africa; Canada: North America; Mexico: North America; Cuba: North America;
    Brazil: South America; Argentina: South America; Chile: South America; Peru: South America;
    Colombia: South America; Ecuador: South America; Uruguay: South America
"""

LANGUAGES: Final = """
    France: French; Germany: German; Spain: Spanish; Italy: Italian; Portugal: Portuguese;
    Brazil: Portuguese; Japan: Japanese; Russia: Russian; Poland: Polish; Greece: Greek;
    Hungary: Hungarian; Sweden: Swedish; Denmark: Danish; Norway: Norwegian; Iceland: Icelandic;
    Turkey: Turkish; Romania: Romanian; Bulgaria: Bulgarian; Egypt: Arabic; Mexico: Spanish;
    Argentina: Spanish; Thailand: Thai; Vietnam: Vietnamese; South Korea: Korean; Austria: German;
    Chile: Spanish; Iran: Persian; Cuba: Spanish; Nepal: Nepali; Albania: Albanian
"""

CURRENCIES: Final = """
    Japan: the yen; India: the rupee; Switzerland: the franc; Mexico: the peso; Sweden: the krona;
    Denmark: the krone; Poland: the zloty; Hungary: the forint; China: the yuan; Brazil: the real;
    Thailand: the baht; South Korea: the won; Vietnam: the dong; Germany: the euro; France: the euro;
    Italy: the euro; Spain: the euro; Turkey: the lira; South Africa: the rand; Ukraine: the hryvnia;
    Canada: the dollar; Nigeria: the naira
"""

COLOURS: Final = """
    grass: green; snow: white; coal: black; a banana: yellow; a ripe tomato: red; a lemon: yellow;
    blood: red; milk: white; the clear sky: blue; chocolate: brown; an emerald: green; a ruby: red;
    a sapphire: blue; gold: yellow; an elephant: gray; a flamingo: pink; a polar bear: white;
    a crow: black; a carrot: orange; salt: white; a swan: white; a canary: yellow; spinach: green;
    a strawberry: red; a fire truck: red; a pumpkin: orange; broccoli: green; a cucumber: green;
    charcoal: black; cotton: white; mud: brown; a leaf in summer: green
"""

YOUNG: Final = """
    dog: puppy; cat: kitten; cow: calf; horse: foal; sheep: lamb; goat: kid; pig: piglet;
    chicken: chick; duck: duckling; goose: gosling; bear: cub; lion: cub; deer: fawn; frog: tadpole;
    kangaroo: joey; swan: cygnet; owl: owlet; seal: pup; whale: calf; elephant: calf; wolf: pup;
    tiger: cub; eagle: eaglet; butterfly: caterpillar; giraffe: calf; fox: kit; rabbit: kit;
    hare: leveret; eel: elver; penguin: chick
"""

HOMES: Final = """
    bee: hive; bird: nest; spider: web; dog: kennel; horse: stable; pig: sty; lion: den; rabbit: burrow;
    beaver: lodge; ant: anthill; cow: barn; bear: den; fox: den
"""

SOUNDS: Final = """
    dog: bark; cat: meow; cow: moo; duck: quack; lion: roar; wolf: howl; bee: buzz; snake: hiss;
    sheep: baa; frog: croak; owl: hoot; horse: neigh; pig: oink; donkey: bray; crow: caw;
    elephant: trumpet
"""

OPPOSITES: Final = """
    hot: cold; big: small; tall: short; fast: slow; up: down; left: right; day: night; black: white;
    good: bad; rich: poor; young: old; happy: sad; full: empty; open: closed; hard: soft; heavy: light;
    wet: dry; early: late; strong: weak; near: far; true: false; high: low; long: short; loud: quiet;
    clean: dirty; deep: shallow; wide: narrow; thick: thin; first: last; inside: outside; begin: end;
    win: lose; buy: sell; push: pull; love: hate; friend: enemy; summer: winter; north: south;
    east: west; yes: no; always: never; all: none; more: less; before: after; above: below; sweet: sour;
    sharp: blunt; brave: cowardly; awake: asleep; alive: dead; male: female; question: answer;
    give: take; come: go; arrive: leave; remember: forget; find: lose; laugh: cry; ancient: modern;
    cheap: expensive; easy: difficult; smooth: rough; bright: dark; front: back; top: bottom;
    entrance: exit; success: failure; victory: defeat; war: peace; maximum: minimum; odd: even;
    positive: negative; guilty: innocent; polite: rude; safe: dangerous; simple: complex;
    present: absent; accept: reject
"""

SYMBOLS: Final = """
    hydrogen: H; helium: He; lithium: Li; beryllium: Be; boron: B; carbon: C; nitrogen: N; oxygen: O;
    fluorine: F; neon: Ne; sodium: Na; magnesium: Mg; aluminum: Al; silicon: Si; phosphorus: P;
    sulfur: S; chlorine: Cl; argon: Ar; potassium: K; calcium: Ca; titanium: Ti; chromium: Cr;
    manganese: Mn; iron: Fe; cobalt: Co; nickel: Ni; copper: Cu; zinc: Zn; silver: Ag; tin: Sn;
    iodine: I; platinum: Pt; gold: Au; mercury: Hg; lead: Pb; uranium: U; radium: Ra; tungsten: W;
    arsenic: As; bromine: Br; krypton: Kr; xenon: Xe; barium: Ba; bismuth: Bi; plutonium: Pu
"""

AUTHORS: Final = """
    Hamlet: William Shakespeare; Macbeth: William Shakespeare; Romeo and Juliet: William Shakespeare;
    Don Quixote: Miguel de Cervantes; War and Peace: Leo Tolstoy; Anna Karenina: Leo Tolstoy;
    Oliver Twist: Charles Dickens; A Christmas Carol: Charles Dickens; Pride and Prejudice: Jane Austen;
    Emma: Jane Austen; Frankenstein: Mary Shelley; Dracula: Bram Stoker; Moby Dick: Herman Melville;
    The Odyssey: Homer; The Iliad: Homer; The Divine Comedy: Dante; Faust: Goethe;
    Crime and Punishment: Fyodor Dostoevsky; Les Miserables: Victor Hugo; Jane Eyre: Charlotte Bronte;
    Wuthering Heights: Emily Bronte; The Time Machine: H. G. Wells; Peter Pan: J. M. Barrie;
    Ulysses: James Joyce; The Jungle Book: Rudyard Kipling; Treasure Island: Robert Louis Stevenson;
    The Trial: Franz Kafka; Alice in Wonderland: Lewis Carroll; Tom Sawyer: Mark Twain;
    The Hobbit: J. R. R. Tolkien; Animal Farm: George Orwell; Candide: Voltaire;
    The Raven: Edgar Allan Poe; The Three Musketeers: Alexandre Dumas; Walden: Henry David Thoreau
"""

COUNTS: Final = """
    days in a week: 7; months in a year: 12; hours in a day: 24; minutes in an hour: 60;
    seconds in a minute: 60; days in a leap year: 366; letters in the English alphabet: 26;
    legs on a spider: 8; legs on an insect: 6; sides on a triangle: 3; sides on a square: 4;
    sides on a hexagon: 6; sides on a pentagon: 5; sides on an octagon: 8;
    planets in the solar system: 8; continents on Earth: 7; strings on a violin: 4;
    players in a football team: 11; wheels on a bicycle: 2; wheels on a tricycle: 3; faces on a cube: 6;
    fingers on one hand: 5; degrees in a right angle: 90; degrees in a circle: 360;
    years in a century: 100; years in a decade: 10; centimeters in a meter: 100;
    grams in a kilogram: 1000; meters in a kilometer: 1000; months in a season: 3; eggs in a dozen: 12;
    squares on a chess board: 64; arms on an octopus: 8; legs on a dog: 4; colors in a rainbow: 7;
    cards in a standard deck: 52; legs on a chicken: 2; weeks in a year: 52; days in April: 30;
    days in January: 31; zeros in one million: 6; keys on a piano: 88; players in a chess game: 2;
    wings on a bird: 2; years in a millennium: 1000
"""

AFTER: Final = """
    Monday: Tuesday; Tuesday: Wednesday; Wednesday: Thursday; Thursday: Friday; Friday: Saturday;
    Saturday: Sunday; Sunday: Monday; January: February; February: March; March: April; April: May;
    May: June; June: July; July: August; August: September; September: October; October: November;
    November: December; December: January
"""

BEFORE: Final = "; ".join(
    f"{after}: {day}" for day, after in (entry.strip().split(": ") for entry in AFTER.split(";"))
)

PLACES: Final = """
    Mercury: first; Venus: second; Earth: third; Mars: fourth; Jupiter: fifth; Saturn: sixth;
    Uranus: seventh; Neptune: eighth
"""

PASTS: Final = """
    go: went; see: saw; eat: ate; run: ran; write: wrote; take: took; give: gave; come: came;
    know: knew; think: thought; buy: bought; bring: brought; teach: taught; catch: caught; find: found;
    make: made; say: said; tell: told; sing: sang; swim: swam; drink: drank; begin: began; break: broke;
    speak: spoke; choose: chose; drive: drove; fly: flew; grow: grew; throw: threw; sleep: slept;
    keep: kept; feel: felt; leave: left; build: built; send: sent; win: won; hold: held; sit: sat;
    stand: stood; fall: fell; forget: forgot; hear: heard
"""

PLURALS: Final = """
    child: children; mouse: mice; foot: feet; tooth: teeth; goose: geese; man: men; woman: women;
    leaf: leaves; knife: knives; wolf: wolves; city: cities; box: boxes; baby: babies; person: people;
    life: lives; ox: oxen; half: halves; party: parties; cherry: cherries; watch: watches;
    potato: potatoes; tomato: tomatoes; bus: buses; fox: foxes
"""

INVENTORS: Final = """
    the telephone: Alexander Graham Bell; the theory of relativity: Albert Einstein;
    the theory of evolution: Charles Darwin; dynamite: Alfred Nobel; penicillin: Alexander Fleming;
    radium: Marie Curie; the Mona Lisa: Leonardo da Vinci; the World Wide Web: Tim Berners-Lee;
    the law of gravity: Isaac Newton; The Starry Night: Vincent van Gogh;
    The Last Supper: Leonardo da Vinci; Guernica: Pablo Picasso
"""
