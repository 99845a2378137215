-- Text as both sides of a comparison see it. Every text is cut first: one name of ten thousand characters must not cost a night.
create or replace temp macro match_repair(x) as  -- UTF-8 that was read as Latin-1 or Windows-1252
    case when contains(x, 'Ã') or contains(x, 'Â') then
        replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
        replace(replace(replace(replace(replace(x,
        'Ã¥', 'å'), 'Ã¤', 'ä'), 'Ã¶', 'ö'), 'Ã¸', 'ø'), 'Ã¦', 'æ'), 'Ã¼', 'ü'), 'Ã©', 'é'), 'Ã¨', 'è'), 'ÃŸ', 'ß'),
        'Ã…', 'Å'), 'Ã„', 'Ä'), 'Ã–', 'Ö'), 'Ã˜', 'Ø'), 'Ã†', 'Æ'), 'Ãœ', 'Ü'),
        'Ã' || chr(133), 'Å'), 'Ã' || chr(132), 'Ä'), 'Ã' || chr(150), 'Ö'), 'Ã' || chr(152), 'Ø')
    else x end;

create or replace temp macro match_cut(x) as left(x, $text_limit);

-- å, aa and a are one letter on both sides, as are ä, ae and a, or ü, ue and u: no language has to be guessed
create or replace temp macro match_ascii(x) as
    replace(replace(replace(replace(
        replace(replace(replace(replace(replace(replace(strip_accents(lower(x)),
        'ø', 'o'), 'æ', 'a'), 'œ', 'o'), 'ß', 'ss'), 'đ', 'd'), 'ł', 'l'),
        'aa', 'a'), 'ae', 'a'), 'oe', 'o'), 'ue', 'u');

-- marks that nobody sees: reading direction, zero width, soft hyphen
create or replace temp macro match_unmarked(x) as translate(x, chr(8203) || chr(8206) || chr(8207) || chr(65279) || chr(173), '');

create or replace temp macro match_fold(x) as
    nullif(trim(regexp_replace(
        match_ascii(match_repair(match_unmarked(match_cut(x)))), '[^\p{L}\p{N}\p{M}]+', ' ', 'g'
    )), '');

-- how a name sounds, coarsely: Carl and Karl, Kristina and Christina, Gustaf and Gustav, Nicklas and Niklas
create or replace temp macro match_sound(x) as
    regexp_replace(
        replace(replace(replace(replace(replace(replace(replace(replace(replace(
        replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
        replace(x, ' ', ''),
        'ph', 'f'), 'ch', 'k'), 'ck', 'k'), 'th', 't'), 'c', 'k'), 'q', 'k'), 'w', 'v'), 'z', 's'), 'x', 'ks'), 'y', 'i'), 'hj', 'j'),
        'ss', 's'), 'll', 'l'), 'nn', 'n'), 'tt', 't'), 'kk', 'k'), 'mm', 'm'), 'pp', 'p'), 'rr', 'r'), 'ff', 'f'),
        'f$$', 'v');

-- the distance of edits is thirty times as dear as Jaro's, which rules nearly every pair out first
create or replace temp macro match_slip(a, b) as
    case when abs(length(a) - length(b)) <= 1 and jaro_similarity(a, b) >= $slip_jaro then damerau_levenshtein(a, b) <= 1 else false end;

create or replace temp macro match_near(a, b) as
    jaro_winkler_similarity(a, b) >= $near_names or (length(a) > 3 and length(b) > 3 and match_slip(a, b));

create or replace temp macro match_alike(a, b) as
    match_near(a, b) or length(a) = 1 and starts_with(b, a) or length(b) = 1 and starts_with(a, b)
    or list_has_any(string_split(a, ' '), string_split(b, ' '));

-- the national part of a telephone number: country code, trunk zero, extension and writing are gone
create or replace temp macro match_digits(x) as
    regexp_replace(
        regexp_replace(
            regexp_replace(lower(match_cut(x)), '(ext|x|ankn|anknytning|vx|extension|durchwahl|#|;).*$$', ''),
            '\(0\)', '', 'g'),
        '[^0-9+]', '', 'g');
create or replace temp macro match_national(d) as
    case when starts_with(d, '+') or starts_with(d, '00')
        then regexp_replace(
            regexp_replace(d, '^(\+|00)', ''),
            '^(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})', '')
        when starts_with(d, '$home_code') and length(d) >= $phone_with_code then substr(d, 1 + length('$home_code'))
        else regexp_replace(d, '[+]', '', 'g') end;
create or replace temp macro match_phone(x) as
    case when length(ltrim(match_national(match_digits(x)), '0')) between $phone_shortest and $phone_longest
        then ltrim(match_national(match_digits(x)), '0') end;

create or replace temp macro match_domain(x) as
    nullif(regexp_extract(
        regexp_replace(lower(trim(match_cut(x))), '^(https?:)?(//)?(www\.)?', ''),
        '^[^/:?# ]+\.[^/:?# ]+'), '');
create or replace temp macro match_domain_name(d) as regexp_replace(split_part(d, '.', 1), '[^\p{L}\p{N}]', '', 'g');

create or replace temp macro match_mailbox(x) as  -- an address without what mail programs wrap around it
    case when length(x) <= $address_limit then nullif(regexp_extract(lower(x), '[^\s<>()\[\],;:"]+@[^\s<>()\[\],;:"@]+\.[^\s<>()\[\],;:".@]+'), '') end;

create or replace temp macro match_untitled(x) as
    nullif(regexp_replace(x, '^((dr|mr|mrs|ms|miss|herr|frau|fru|fr|prof|professor|dipl ing|ing|hr|sir|mag) )+', ''), '');

create or replace temp macro match_company_words(x) as
    list_filter(string_split(x, ' '), lambda w: not list_contains($legal_forms, w) and w <> 'i');
create or replace temp macro match_company_core(x) as
    case when length(list_filter(match_company_words(x), lambda w: not list_contains($country_words, w))) > 0
        then list_filter(match_company_words(x), lambda w: not list_contains($country_words, w))
        when length(match_company_words(x)) > 0 then match_company_words(x)
        else string_split(x, ' ') end;

-- how much of a name an address spells: 0 nothing to compare, 1 nothing, 2 the last name, 3 the given name, 4 initial and last name, 5 both
create or replace temp macro match_spells(letters, is_role, given, family) as
    case
        when coalesce(is_role, true) or length(letters) < 3 or coalesce(given, family) is null then 0
        when contains(letters, case when contains(family, ' ') then replace(family, ' ', '') else family end) then
            case when contains(letters, given) and length(given) > 1 then 5
                when left(letters, 1) = left(given, 1) or given is null then 4
                else 2 end
        when contains(letters, given) and length(given) > 2 then 3
        else 1 end;
-- a list, since `case x when` would work x out once for every branch
create or replace temp macro match_spelled(x) as
    (['no address', 'nothing', 'last name', 'given name', 'initial and last name', 'both names'])[1 + x];

-- people of one name whom chance would bring among so many records, by half decades
create or replace temp macro match_namesakes(givens, families, records) as
    ($namesakes_bins)[1 + floor(2 * log10(greatest($namesakes_fewest, least($namesakes_most,
        givens::double * families / records)) / $namesakes_fewest))::integer];
