// Makes the roles and users that prepare.py wrote down (accord_chassis/grants.py): each
// service sees its own database, and its part of those that services share. The store's
// image runs this once, when its volume is empty.
const commands = JSON.parse(
  require("fs").readFileSync("/run/secrets/users.json", "utf8"),
);

for (const [database, command] of commands) {
  const answer = db.getSiblingDB(database).runCommand(command);
  if (answer.ok !== 1) {
    throw new Error(`${Object.keys(command)[0]} on ${database}: ${answer.codeName}`);
  }
}
