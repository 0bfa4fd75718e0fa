"""What signs say: common words in Latin letters, and words and characters of other scripts. All typed by hand."""

SIGNS = """
exit entrance open closed push pull sale street road avenue lane drive square station platform gate terminal taxi bus
stop train metro airport hotel motel hostel cafe bar pub grill bakery pizza burger coffee tea juice water wine beer
restaurant kitchen diner food fresh hot cold ice cream sushi noodle rice chicken beef fish seafood vegan salad soup
bread cake sweet sugar salt pepper fruit market store shop mall outlet boutique fashion shoes bags jewellery watch
optical eyewear pharmacy clinic dental hospital doctor health beauty salon spa hair nails massage barber gym fitness
yoga sport bike cars motors garage parking park tyre fuel petrol diesel gas oil service repair parts tools hardware
paint glass wood steel stone home garden flowers plants pets vet books news press print copy photo camera phone mobile
internet wifi computer laptop software games toys kids baby school college university library museum gallery theatre
cinema music dance art studio design office bank cash money exchange insurance law notary police fire emergency danger
warning caution notice attention private no yes smoking entry parking dogs allowed keep clear off out in on at of the
and for to from by with your you our we us all new old big small free best great super mega extra only now here today
tomorrow monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
september october november december spring summer autumn winter day night morning week month year hour min open late
welcome hello thank please ask call visit follow join buy get save pay win try see find enjoy love live life time way
up down left right north south east west level floor lift stairs escalator toilet toilets restroom ladies gents men
women staff push button press ring bell knock door window wall room suite reception lobby information ticket tickets
office counter desk queue wait next first last second third one two three four five six seven eight nine ten hundred
price prices special offer offers discount deal half off percent from till until daily fresh made original classic
premium quality natural organic pure light dark red blue green yellow black white gold silver orange pink royal crown
king queen prince lion eagle tiger bear fox wolf star sun moon sky sea ocean river lake hill mountain valley forest
beach island bay port harbour bridge tower castle church temple mosque court palace city town village centre center
plaza point place house villa residence apartments tenants rent let sold estate agency group company limited ltd inc
corp co sons brothers bros and global international national local central grand golden happy lucky smart easy quick
fast express speed power energy solar electric electronics digital media world network systems solutions technology
engineering construction building works maintenance cleaning laundry dry clean wash self storage delivery courier post
mail cargo freight transport travel tours holiday cruise flight visa passport customs arrival departure check baggage
security camera operation cctv area zone speed limit slow stop give way one bypass detour ahead work road closed high
voltage authorised personnel only hard hat must be worn this area fire exit extinguisher hose alarm assembly point do
not enter touch block wet lost found please mind gap step head stand behind line hold handrail children under
"""

FILLERS = "a i in of to the and is it on as by at or we be an for are was not you all can has but one no if"

NAMES = """
Adams Baker Carter Dixon Evans Foster Grant Harris Irving Jones King Lewis Mason Norton Owens Parker Quinn Roberts Smith
Turner Vaughn Walker Young Zimmer Anna Boris Clara David Elena Frank Grace Henry Irene Jack Karen Louis Maria Nina Oscar
Paula Robin Sarah Thomas Victor Wendy Alan Li Wang Chen Tan Lim Lee Kim Park Sato Suzuki Nguyen Singh Kumar Patel Khan
Ali Hassan Omar Lopez Garcia Silva Costa Rossi Bianchi Müller Schmidt Weber Fischer Dubois Martin Durand Petit Novák
Svensson Jensen Hansen Kowalski London Paris Berlin Madrid Rome Vienna Prague Warsaw Lisbon Dublin Oslo Tokyo Seoul
Beijing Delhi Cairo Boston Chicago Dallas Denver Austin Orchard Victoria Oxford Cambridge Richmond Kensington Bugis
Café Élite Señor Übung Größe Crème Fête Niño Açaí Straße Château Jalapeño Øst Ærø Łódź Žižkov Brașov İzmir
"""

ONSETS = (
    "b c d f g h j k l m n p r s t v w y z br bl ch cl cr dr fl fr gl gr pl pr qu sc sh sk sl sm sn sp st str sw th tr"
)
VOWELS = "a e i o u a e i o ai au ea ee ie oa oo ou y"
CODAS = "b d g k l m n p r s t x ck ld lt mp nd ng nk nt rd rk rm rn rt sh sk ss st th"

CJK_CHARACTERS = (
    "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天"
    "而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些"
    "与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相"
    "次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市店酒饭茶食品超购物中心银行医院药房停车场"
    "站路街号楼出口安全注意禁止吸烟小心地滑请勿打扰欢迎光临电话服务中心优惠特价折扣免费营业时间早晚餐厅面馆火锅烧烤"
    "東京駅出口入口禁煙注意営業中本日定休日大安売新発売円税込お弁当ラーメンすしカフェホテルコンビニトイレあいうえおか"
    "きくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん"
)

CYRILLIC = """
выход вход открыто закрыто магазин продукты аптека улица дом проспект площадь станция метро вокзал гостиница кафе
ресторан бар пиво хлеб молоко мясо рыба овощи фрукты цветы книги одежда обувь мебель ремонт скидка распродажа акция
новый центр город банк почта школа музей театр кино парк стоянка такси автобус поезд внимание осторожно опасно
запрещено курить касса билеты туалет этаж офис услуги телефон работа аренда продажа Москва Россия Киев София здоровье
красота салон спорт вода свет мир добро пожаловать круглосуточно воскресенье суббота и на от до за для без по
"""

GREEK = """
έξοδος είσοδος ανοικτό κλειστό δρόμος οδός πλατεία σταθμός λεωφορείο τρένο ξενοδοχείο καφέ εστιατόριο ταβέρνα ψάρι
κρέας ψωμί φρούτα νερό κρασί μπύρα φαρμακείο γιατρός νοσοκομείο σχολείο βιβλία μουσείο θέατρο τράπεζα ταχυδρομείο αγορά
κατάστημα προσφορά έκπτωση τιμή ευρώ προσοχή κίνδυνος απαγορεύεται κάπνισμα πληροφορίες εισιτήρια Αθήνα Ελλάδα Πάτρα
ΚΑΦΕ ΑΘΗΝΑ νέο μεγάλο μικρό καλό ημέρα νύχτα θάλασσα ήλιος σπίτι πόλη κέντρο τηλέφωνο ώρες και το η για με από
"""

ARABIC = """
مخرج مدخل مفتوح مغلق شارع طريق ساحة محطة قطار حافلة مطار فندق مقهى مطعم قهوة شاي ماء خبز لحم سمك دجاج فواكه خضار سوق
متجر صيدلية مستشفى طبيب مدرسة جامعة مكتبة كتاب متحف مسجد بنك بريد شركة مكتب هاتف خدمة عرض خاص تخفيضات سعر ريال درهم
جديد كبير صغير جميل يوم ليلة مدينة مركز بيت باب نور سلام مرحبا شكرا ممنوع التدخين انتبه خطر موقف سيارات من إلى في على
القاهرة دبي الرياض عمان بغداد
"""

DEVANAGARI = """
निकास प्रवेश खुला बंद सड़क मार्ग चौक स्टेशन रेल बस हवाई अड्डा होटल भोजनालय चाय कॉफी पानी दूध रोटी चावल फल सब्जी बाजार दुकान
दवा अस्पताल डॉक्टर विद्यालय पुस्तक संग्रहालय मंदिर बैंक डाकघर कार्यालय फोन सेवा छूट मूल्य रुपये नया बड़ा छोटा सुंदर दिन रात
नगर केंद्र घर द्वार प्रकाश नमस्ते धन्यवाद धूम्रपान निषेध सावधान खतरा भारत दिल्ली मुंबई नेपाल काठमांडू शहर गाँव नदी और का
"""

PROBES = {
    "latin": "AaGgRrk059",
    "cjk": "的国店出口路",
    "cyrillic": "жЖдщюЯ",
    "greek": "ΑΩξλψά",
    "arabic": "بحسعمي",
    "devanagari": "कखनमरि",
    "hangul": "가나한국어요",
    "hebrew": "אבגלשת",
    "thai": "กขนมรีไ",
    "bengali": "কখনমরি",
    "gurmukhi": "ਕਖਨਮਰਿ",
    "gujarati": "કખનમરિ",
    "tamil": "கசநமரி",
    "telugu": "కఖనమరి",
    "kannada": "ಕಖನಮರಿ",
    "malayalam": "കഖനമരി",
    "khmer": "កខនមរិ",
    "georgian": "აბგდჟჯ",
    "armenian": "ԱԲաբգֆ",
    "ethiopic": "ሀለሐመሠረ",
}
"""Characters by which a font shows that it covers a script."""
