//! Messages that point back at the talk: “make it shorter please”, “and now do the other”. Their
//! words mean something only after what was said before.

/// Maximum words of such a message.
const WORDS_MAX: usize = 12;

/// Words that stand for something said before.
const BACK: &str = "above again another former instead it its latter one ones other others previous rest \
    same that them these this those andere anderen anderes das dasselbe dies es ihn \
    letzte letzten nochmal stattdessen übrigen autre autres ça cela celle celui ceux refais \
    esa ese eso esta esto hazla hazlo otra otras otro otros";

/// Words that stand for a thing right behind a verb: “translate it”, “übersetze es”.
const OBJECTS: &str = "it them es ihn lo los";
/// The same at the end alone: before a noun they point at that noun.
const LAST_OBJECTS: &str = "that this these those das ça cela eso esto";
/// Verbs whose “it” stands for nothing.
const IMPERSONAL: &str = "fait geht gibt rains regnet schneit seems takes wird";

/// Words that say nothing about the kind of work.
const LIGHT: &str = "a about add after all also an and any are as at back be before better bigger bit both \
    but by can change clearer could did different do does don done each easier else \
    even every everything first for from get give go good great had has have here how i if \
    in is just keep last less let like little ll longer m made make maybe me more much my \
    need new next nicer no not now of off ok okay old on once only or please pls \
    put re really remove s second shorter show simpler smaller so some something still t \
    take tell than thank thanks the then there thing things third three to too try two us \
    use ve very was way we were what when where which why will with without would yes \
    yet you your aber alle alles als auch auf aus bei beide besser bis bitte da dann dem den \
    denn der die doch du ein eine einem einen einer einfacher einmal erste ersten für geht \
    gib größer gut ich im ist ja jetzt kannst kleiner könntest kürzer länger mach mache \
    machen mal mehr mir mit nach nächste nächsten nein neu nicht noch nun nur oder ohne sehr \
    und uns von vor wie weniger wieder zeig zu zweite zweiten alors aussi avec bien c ce \
    cette comme court d dans de des donne encore est et fais faire il j je l la le les long \
    lui maintenant mais mets moi moins n oui par pas peu peux plaît plus pour puis qu que \
    sans simple stp te tous tout toute tu un une vous ahora algo así con corta corto cómo \
    dame del el en favor haz larga largo las los luego menos más o para pero poco por puedes \
    sin sí también todo todos vez y";

fn has(list: &str, word: &str) -> bool {
    list.split(' ').any(|listed| listed == word)
}

/// Whether it has no content of its own: light words alone, and one that points back.
pub fn is_empty_without_the_talk(message: &str) -> bool {
    let words = words_of(message, WORDS_MAX + 1);
    let is_back = |word: &String| has(BACK, word);
    words.len() <= WORDS_MAX
        && words.iter().any(is_back)
        && words.iter().all(|word| is_back(word) || has(LIGHT, word))
}

/// Whether it has content, and its verb has a word that stands for something said before as its
/// object: “translate it to German”, “can you deploy them now”; not “translate this contract”,
/// “what time is it?” or “check that all is well”. The verb is the first word with content.
pub fn points_back(message: &str) -> bool {
    let words = words_of(message, WORDS_MAX + 1);
    let is_light = |word: &&String| has(LIGHT, word) && !has(BACK, word);
    let Some(verb) = words.iter().position(|word| !is_light(&word)) else { return false };
    let (Some(verb), Some(object)) = (words.get(verb), words.get(verb + 1)) else { return false };
    let is_verb = |word: &str| !has(BACK, word) && !has(IMPERSONAL, word);
    let is_last = words.last() == Some(object);
    let is_object = has(OBJECTS, object) || is_last && has(LAST_OBJECTS, object);
    words.len() <= WORDS_MAX && is_verb(verb) && is_object
}

/// The first words of a message, in lower case and without punctuation.
pub(super) fn words_of(message: &str, words_max: usize) -> Vec<String> {
    let words =
        message.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(words_max).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: [&str; 14] = [
        "and also the one after that",
        "make it shorter please",
        "and now do the other",
        "Can you do that again, but without the last one?",
        "what about the others?",
        "no, the other one!",
        "use the first one instead",
        "tell me more about it",
        "und jetzt die anderen bitte",
        "mach es kürzer",
        "das nochmal, aber ohne den ersten",
        "refais ça plus court",
        "et l'autre ?",
        "ahora hazlo más corto, por favor",
    ];

    #[test]
    fn message_of_light_words_that_points_back_is_empty_without_the_talk() {
        for message in EMPTY {
            assert!(is_empty_without_the_talk(message), "{message}");
        }
        for message in [
            "",
            "make a logo",
            "fix it",
            "what can you do for me?",
            "scan that server",
            "review this contract",
            "translate it to German",
            "show me the budget",
            "thanks",
            "is it down?",
            "what do they want",
            "do it, and then do it again, and then do it again, and then again",
        ] {
            assert!(!is_empty_without_the_talk(message), "{message}");
        }
    }

    #[test]
    fn verb_with_a_word_for_something_said_before_points_back() {
        for message in [
            "fix it",
            "translate it to German",
            "now test that",
            "can you deploy them now?",
            "übersetze es ins Deutsche",
        ] {
            assert!(points_back(message), "{message}");
        }
        for message in [
            "review this contract",
            "scan that server",
            "deploy the other server",
            "hello",
            "Remind me that the invoice is due on Friday",
            "Check that all backups ran last night",
            "Find the servers that are still unpatched",
            "tell the customers that we are closed on Monday",
            "What time is it in Tokyo?",
            "Is it safe to upgrade Postgres to 17?",
            "book me one of the hotels in Bern",
            "Gibt es noch offene Rechnungen von Meier?",
            "Buche das nächste Meeting mit Anna",
            "Das ist dringend: der Server in Zürich ist nicht erreichbar",
            "Combien ça coûte, un billet pour Genève ?",
            "como esta el servidor de produccion",
        ] {
            assert!(!points_back(message), "{message}");
        }
    }
}
