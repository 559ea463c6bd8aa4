#!/bin/sh
# Undoes header-on.sh: Moodle believes no header any more, and its settings are what they were before.
#
#   MOODLE_DIR=/var/www/moodle sh header-off.sh
#
# Users whose `auth` is shibboleth cannot sign in after this, until their `auth` is changed and they have a password.
set -eu

fail() {
    echo "header-off.sh: $*" >&2
    exit 1
}

: "${MOODLE_DIR:?the folder that holds config.php of Moodle}"
cfg="$MOODLE_DIR/admin/cli/cfg.php"
[ -f "$cfg" ] || fail "$cfg is not there"

moodle() {
    "${PHP:-php}" "$cfg" "$@"
}

restored=0

# restore COMPONENT NAME: the value that was kept, which is forgotten only then.
restore() {
    status=0
    kept=$(moodle --component=vestibule --name="saved_$2" --no-eol 2>/dev/null) || status=$?
    case $status in
    0) ;;
    3) return 0 ;;
    *) fail "Moodle does not say what was kept of $1/$2 (cfg.php: exit $status)" ;;
    esac
    case $kept in
    =*) moodle --component="$1" --name="$2" --set="${kept#=}" ;;
    -) moodle --component="$1" --name="$2" --unset ;;
    *) fail "what was kept of $1/$2 is not understood" ;;
    esac
    moodle --component=vestibule --name="saved_$2" --unset
    restored=$((restored + 1))
}

# First the list of plugins, so that none is asked with settings that are half old and half new.
restore core auth
restore auth_shibboleth user_attribute
restore auth_shibboleth field_map_firstname
restore auth_shibboleth field_map_lastname
restore auth_shibboleth field_map_email
restore auth_shibboleth field_updatelocal_firstname
restore auth_shibboleth field_updatelocal_lastname
restore auth_shibboleth field_updatelocal_email
if [ "$restored" -eq 0 ]; then
    echo "Nothing was kept, so nothing was changed."
else
    echo "$restored settings are what they were before."
fi
