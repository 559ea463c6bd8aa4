#!/bin/sh
# Lets a Moodle (3.7 or later) believe vestibule's trusted header: settings of its core Shibboleth plugin, by Moodle's
# own command line. What was set before is kept in Moodle's configuration (component "vestibule") for header-off.sh.
#
#   MOODLE_DIR=/var/www/moodle HEADER=X-V-0123456789abcdef0123456789abcdef sh header-on.sh
#
# HEADER is what `vestibule keys rotate-header SITE` printed. To do it again with another name is a rotation. Run it as
# the web server's user, or as whoever may read Moodle's config.php. PHP names another php.
set -eu

fail() {
    echo "header-on.sh: $*" >&2
    exit 1
}

: "${MOODLE_DIR:?the folder that holds config.php of Moodle}"
: "${HEADER:?the header name that vestibule keys rotate-header printed}"
cfg="$MOODLE_DIR/admin/cli/cfg.php"
[ -f "$cfg" ] || fail "$cfg is not there"

digits=${HEADER#X-V-}
if [ "$digits" = "$HEADER" ] || [ "${#digits}" -ne 32 ]; then
    fail "HEADER is X-V- and 32 hex digits; another name a client could send"
fi
case $digits in
*[!0-9a-f]*) fail "HEADER is X-V- and 32 hex digits; another name a client could send" ;;
esac

moodle() {
    "${PHP:-php}" "$cfg" "$@"
}

# get COMPONENT NAME: "=VALUE", or "-" where it is not set.
get() {
    status=0
    value=$(moodle --component="$1" --name="$2" --no-eol 2>/dev/null) || status=$?
    case $status in
    0) printf '=%s' "$value" ;;
    3) printf '%s' - ;;
    *) fail "Moodle does not say what $1/$2 is (cfg.php: exit $status)" ;;
    esac
}

# keep COMPONENT NAME: once; a second run must not take our own value for what was there before.
keep() {
    kept=$(get vestibule "saved_$2")
    if [ "$kept" = - ]; then
        value=$(get "$1" "$2")
        moodle --component=vestibule --name="saved_$2" --set="$value"
    fi
}

set_plugin() {
    keep auth_shibboleth "$1"
    moodle --component=auth_shibboleth --name="$1" --set="$2"
}

variable=HTTP_$(printf '%s' "$HEADER" | tr 'a-z-' 'A-Z_')
set_plugin user_attribute "$variable"
set_plugin field_map_firstname "${variable}_FIRSTNAME"
set_plugin field_map_lastname "${variable}_LASTNAME"
set_plugin field_map_email "${variable}_EMAIL"
# Never onlogin: a name that a source does not know would blank the field in Moodle.
set_plugin field_updatelocal_firstname oncreate
set_plugin field_updatelocal_lastname oncreate
set_plugin field_updatelocal_email oncreate

# Last: the plugin must know the header before it is asked.
keep core auth
auth=$(get core auth)
auth=${auth#[=-]}
case ",$auth," in
*,shibboleth,*) ;;
*) moodle --name=auth --set="shibboleth${auth:+,$auth}" ;;
esac
echo "Moodle believes the header now. Next: vestibule check --probe --as USER"
