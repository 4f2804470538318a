"""The words the rules of intent.py know, in English, German, French, Spanish, Italian and Dutch.

All in the form `normalised` gives: no capitals, no accents. Words of one list are apart by blanks; a phrase is a
line of its own. A plural that only adds letters (s, es, n, en, e, er) need not be listed.
"""

QUESTION_FIRST = """
what which how why when where who whose is are can could does do did should will would has have may anyone
was wie warum wieso weshalb wann wo woher woraus womit wer wen welche welcher welches welchen welchem wieviel wieviele
kann konnt gibt muss mussen brauche brauchen soll sollte darf habt haben sind ist passt
comment pourquoi quand quel quelle quels quelles combien qui que est-ce qu'est-ce avez-vous peut-on faut-il dois-je ou
como que cuando donde cual cuales cuanto cuanta cuantos quien tienen hay puedo debo
come perche quando dove quale quali quanto quanta chi che cosa cos'e dov'e posso avete devo
hoe wat waar wanneer waarom welke hoeveel wie kan moet mag heeft hebben zijn
"""
"""Words that begin a question, and seldom anything else that is searched for."""

QUESTION_PHRASES = """
is there
se puede
si puo
por que
difference between
unterschied zwischen
difference entre
diferencia entre
differenza tra
verschil tussen
"""

REORDER_WORDS = """
again reorder re-order rebuy nochmal nochmals erneut nachbestellen wiederbestellen zuletzt racheter recommander
repetir ripeti ripetere riordinare opnieuw herhalen bijbestellen
"""

REORDER_PHRASES = """
from my
my standard
lo mismo
last time
last order
last shopping
last purchase
last week
last month
my usual
the usual
my regular
i always
i bought
as before
as always
repeat order
repeat my
previous order
previous purchase
previous purchases
previously bought
previously ordered
past orders
past purchases
recently bought
recently purchased
order history
bought before
noch einmal
wie immer
wie letztes
wie beim letzten
letztes mal
letzten mal
letzte bestellung
letzten bestellung
letzte woche
letzten einkaufe
letzter einkauf
bestellung wiederholen
das ubliche
mein ublicher
wie gewohnt
a nouveau
comme d'habitude
comme toujours
derniere commande
derniere fois
derniers achats
semaine derniere
encore du
encore de
encore une
encore des
repeter ma
ma commande habituelle
ultimo pedido
lo de siempre
de nuevo
otra vez
ultima vez
ultimas compras
mi pedido habitual
volver a
la semana pasada
ultimo ordine
di nuovo
il solito
la solita
come sempre
come l'ultima
ultimi acquisti
la settimana scorsa
ancora una
laatste bestelling
vorige keer
vorige week
vorige bestelling
nog een keer
nog eens
zoals altijd
eerder gekocht
laatst gekocht
"""

NAVIGATIONAL_WORDS = """
account login logout signin signup register registration returns refund refunds contact imprint wishlist cart basket
checkout newsletter careers jobs faq faqs help support locator tracking unsubscribe offers deals sale stores settings
invoice invoices press sustainability
konto kundenkonto anmelden anmeldung einloggen abmelden registrieren rucksendung retoure retouren ruckgabe umtausch
reklamation rechnung rechnungen nachhaltigkeit presse offnungszeiten kontakt kundenservice kundendienst filialfinder
filiale filialen markte sendungsverfolgung
bestellstatus merkzettel merkliste wunschliste warenkorb versandkosten versand impressum agb datenschutz hilfe prospekt
angebote lieferung lieferzeit zahlungsarten zahlung widerruf karriere gutschein treuekarte abo
compte connexion retours remboursement horaires magasin magasins panier livraison promotions promos aide
facture factures recrutement confidentialite
cuenta devoluciones devolucion reembolso horario horarios tienda tiendas carrito ofertas ayuda contacto envio envios
factura facturas empleo
accedi accesso resi reso rimborso orari negozi negozio carrello spedizione spedizioni offerte aiuto contatti
fattura fatture
inloggen aanmelden retourneren retour klantenservice openingstijden winkels winkelwagen winkelmandje verzendkosten
verzending aanbiedingen folder bezorging hulp factuur vacatures
"""

NAVIGATIONAL_PHRASES = """
store locator
click and collect
click & collect
trabaja con
lavora con
werken bij
politique de
log in
log out
sign in
sign up
my orders
my account
order status
track my
track order
cancel order
cancel my
customer service
customer care
opening hours
return policy
return an item
store finder
stores near
near me
wish list
shopping cart
gift card balance
privacy policy
terms and
delivery options
delivery costs
shipping costs
payment methods
change password
forgot password
reset password
delete account
loyalty card
weekly offers
black friday
cyber monday
about us
in der nahe
mein konto
meine bestellungen
passwort andern
passwort vergessen
gutschein einlosen
angebote der
uber uns
mon compte
mes commandes
se connecter
service client
mentions legales
suivi de
mot de passe
moyens de paiement
mi cuenta
mis pedidos
iniciar sesion
atencion al
seguimiento de
aviso legal
metodos de pago
il mio account
mio account
i miei ordini
servizio clienti
traccia ordine
mijn account
mijn bestellingen
track en trace
wachtwoord vergeten
algemene voorwaarden
"""

ATTRIBUTE_WORDS = """
vegan vegetarian organic sugarfree glutenfree lactosefree decaf halal kosher keto fresh local regional seasonal
fairtrade
cheap cheapest affordable discounted used refurbished new large small medium mini big tall short wide long slim plus
waterproof wireless bluetooth rechargeable foldable portable electric cordless stainless hypoallergenic extra leather
cotton wool linen wooden steel
red blue green black white yellow pink purple brown grey gray orange beige silver gold navy
men women mens womens men's women's man woman kids kid's boys girls baby children adult unisex
xs xl xxl xxxl s m l size wholegrain lowfat lightweight
bio glutenfrei laktosefrei zuckerfrei vegane veganer veganes veganen vegetarisch vegetarische frisch frische regionale
gunstig gunstige gunstiger gunstiges billig billige billiger gebraucht neu gross grosse kleine klein lang kurz
wasserdicht wasserdichte kabellos kabellose leder baumwolle wolle holz freilandhaltung vollkorn fettarm rostfrei
rostfreie
ungesalzen ungesalzene gesalzen ungesusst edelstahl
rot rote roter rotes blau blaue blaues grun grune grunes schwarz schwarze schwarzes schwarzer weiss weisse weisses gelb
gelbe rosa lila braun braune grau graue herren damen kinder madchen jungen jungs
sans vegetalien vegetarien vegetarienne ecologique frais fraiche rouge bleu bleue vert verte noir noire noires noirs
blanc blanche jaune gris grise homme femme enfant enfants taille grand grande petit petite coton cuir inox soldes
sin vegano vegana vegetariano vegetariana ecologico ecologica fresco fresca barato barata baratos rojo roja azul verde
negro negra negros negras blanco blanca amarillo gris hombre mujer nino nina ninos talla grande pequeno algodon cuero
inoxidable
senza biologico biologica integrale economico economica rosso rossa rosse nero nera neri nere bianco bianca blu giallo
uomo donna bambino bambina bambini taglia piccolo cotone pelle inox saldi
zonder glutenvrij lactosevrij suikervrij biologisch biologische veganistisch vegetarisch goedkoop goedkope rood rode
blauw blauwe groen groene zwart zwarte wit witte geel gele bruin heren dames maat groot grote klein kleine katoen leer
roestvrij
"""

ATTRIBUTE_PHRASES = """
gluten free
sugar free
lactose free
dairy free
fat free
alcohol free
free range
low carb
low fat
high protein
whole grain
fair trade
on sale
under
below
less than
up to
cheaper than
unter
bis zu
weniger als
ohne
moins de
moins cher
pas cher
menos de
meno di
fino a
onder
minder dan
"""

UNITS = """
l ml cl dl liter litre litres litro litri g gr kg mg lb lbs oz cm mm m zoll inch inches pouces pulgadas pollici w kw v
mah gb tb mb x er pack packs stuck st paar pcs stk st. rollen kapseln teile % euro euros eur usd gbp dollar dollars
pounds chf
"""

FILLERS = """
the a an and for of with in to my me please or der die das den und fur mit von zum zur im aus bei le la les de du des et
pour avec d l un une el los las y para con del una il lo gli e per di da al alla het een en voor met van o
"""

BRANDS = """
apple iphone ipad macbook airpods imac samsung galaxy sony playstation ps4 ps5 xbox nintendo switch lego playmobil
duplo nike adidas puma reebok asics salomon levis levi's zara gucci dyson bosch makita dewalt metabo festool stihl
gardena karcher siemens miele aeg bauknecht liebherr whirlpool philips tefal wmf braun oral-b gillette krups delonghi
bialetti lavazza illy nespresso tassimo jacobs dallmayr melitta oatly alpro provamel danone actimel nestle nutella
ferrero milka lindt haribo ritter kinder barilla cecco buitoni heinz knorr maggi kellogg's kelloggs oetker iglo
coca coca-cola pepsi fanta sprite evian volvic perrier gerolsteiner heineken becks corona guinness pampers huggies
persil ariel lenor tide zewa tempo kleenex nivea dove loreal l'oreal garnier maybelline colgate sensodyne ikea hp dell
lenovo asus acer msi logitech razer corsair canon nikon fujifilm gopro garmin fitbit kindle jbl bose sennheiser
fritzbox avm tonies tonie ravensburger hasbro mattel barbie rtx ryzen geforce radeon pixel xiaomi redmi huawei oneplus
nokia motorola gigaset tp-link netgear weihenstephan landliebe muller ehrmann president evian lu maman hertog douwe
egberts calve mulino pozo simon ben jerry's haagen-dazs magnum pringles oreo
"""

CATEGORIES = """
milk bread cheese butter yogurt yoghurt cream egg eggs coffee tea juice water soda beer wine whisky vodka gin rum
champagne chocolate candy cookie biscuit cracker chips crisps snack nut cereal muesli granola oat flour sugar salt spice
pasta spaghetti noodle rice bean lentil soup sauce ketchup mustard mayonnaise oil vinegar honey jam pizza burger sausage
ham bacon beef pork chicken turkey fish salmon tuna shrimp tofu vegetable fruit apple banana orange lemon tomato potato
onion garlic carrot salad lettuce cucumber pepper mushroom avocado berry strawberry grape melon
shoe boot sneaker sandal dress skirt shirt t-shirt blouse jean jeans trousers pants shorts jacket coat sweater hoodie
sock underwear bra hat cap scarf glove belt bag backpack wallet watch jewelry ring necklace sunglasses
laptop computer tablet phone smartphone tv television monitor printer keyboard mouse headphone earphone speaker camera
console game controller charger cable battery router drive lamp bulb
fridge freezer oven microwave dishwasher washer dryer vacuum iron kettle toaster blender mixer pan pot knife plate glass
cup fork spoon bowl sofa couch chair table desk bed mattress pillow blanket towel sheet curtain carpet rug shelf mirror
furniture toy doll puzzle book bike bicycle helmet tent ball grill soil plant flower seed hose drill saw hammer
screwdriver tool paint screw nail ladder detergent soap shampoo conditioner toothpaste toothbrush deodorant perfume
lotion makeup lipstick razor diaper nappy wipe tissue paper food litter supplement vitamin
milch brot brotchen kase joghurt quark sahne ei eier kaffee tee saft safte wasser bier wein schokolade keks kekse
bonbon gummibarchen chip nuss nusse musli hafer mehl zucker salz gewurz nudel reis bohne linse suppe sosse senf essig ol
honig marmelade wurst schinken speck fleisch rind schwein hahnchen fisch lachs thunfisch gemuse obst apfel banane
kartoffel zwiebel knoblauch karotte salat gurke tomate paprika pilz erdbeere traube
schuh stiefel sandale kleid kleider rock hemd bluse hose jacke mantel pullover socke unterwasche mutze schal handschuh
gurtel tasche rucksack uhr schmuck handy fernseher drucker tastatur maus kopfhorer lautsprecher kamera ladegerat kabel
akku batterie lampe kuhlschrank backofen mikrowelle spulmaschine waschmaschine trockner staubsauger bugeleisen
wasserkocher maschine pfanne topf messer teller glas tasse stuhl tisch bett matratze kissen decke handtuch wasche
vorhang teppich regal spiegel mobel spielzeug puppe buch bucher fahrrad helm zelt erde pflanze blume schlauch bohrer
sage hammer werkzeug farbe schraube leiter mittel seife zahnpasta zahnburste creme parfum windel taschentuch papier
futter streu klopapier
lait pain fromage beurre yaourt creme oeuf cafe the jus eau biere vin chocolat biscuit farine sucre sel pates riz soupe
huile vinaigre miel confiture viande poulet boeuf porc poisson saumon jambon saucisse legume fruits pomme banane tomate
chaussure basket robe jupe chemise pantalon veste manteau pull chaussette sac montre ordinateur portable telephone
tele television casque imprimante frigo four aspirateur machine poele casserole couteau chaise lit matelas oreiller
serviette tapis meuble jouet livre velo lessive savon dentifrice couche papier croquette litiere
leche pan queso mantequilla yogur huevo cafe te zumo agua cerveza vino chocolate galleta harina azucar sal arroz sopa
aceite vinagre miel mermelada carne pollo cerdo pescado jamon verdura fruta manzana platano tomate patata cebolla
zapato zapatilla bota vestido falda camisa camiseta pantalones chaqueta abrigo calcetin bolso mochila reloj ordenador
portatil movil telefono auriculares impresora frigorifico horno lavadora aspiradora sarten cuchillo silla mesa cama
colchon almohada toalla alfombra mueble juguete libro bicicleta detergente jabon champu panal papel pienso
latte pane formaggio burro uova uovo caffe te succo acqua birra vino cioccolato biscotti farina zucchero sale riso zuppa
olio aceto miele marmellata carne pollo manzo maiale pesce prosciutto verdura frutta mela banana pomodoro patate
scarpa scarpe stivali vestito gonna camicia maglietta pantaloni giacca cappotto borsa zaino orologio computer telefono
cuffie stampante frigorifero forno lavatrice aspirapolvere padella pentola coltello sedia tavolo letto materasso cuscino
asciugamano tappeto mobili giocattolo giocattoli libro libri bicicletta detersivo sapone dentifricio pannolini carta
melk brood kaas boter yoghurt ei eieren koffie thee sap water bier wijn chocolade koek meel suiker zout rijst soep olie
azijn honing jam vlees kip varken vis zalm ham groente fruit appel banaan tomaat aardappel ui
schoen laars jurk rok broek jas trui sok tas rugzak horloge telefoon televisie koptelefoon printer koelkast oven
wasmachine stofzuiger pan mes stoel tafel bed matras kussen handdoek tapijt meubel speelgoed boek fiets wasmiddel zeep
tandpasta luier papier kattenvoer hondenvoer
"""

GIBBERISH = """
test test123 hello hallo hola bonjour ciao hi hey danke thanks merci gracias grazie ok okay yes no ja nein undefined
null none nan true false lorem ipsum foo bar abc xyz thank you bitte
"""
"""Words that are typed to try whether anything happens, and what faulty programs fill in."""

KEYBOARD_ROWS = "qwertyuiop qwertzuiop azertyuiop asdfghjkl yxcvbnm zxcvbnm wxcvbn"

CODE_WORDS = "ean gtin sku isbn upc pzn art.-nr. artikelnummer artikelnr. art.nr."
