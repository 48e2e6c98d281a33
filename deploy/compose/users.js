// Gives each service a user of its own who sees its own database and no other. The
// store's image runs this once, when its volume is empty.
const passwords = JSON.parse(
  require("fs").readFileSync("/run/secrets/users.json", "utf8"),
);

for (const [service, password] of Object.entries(passwords)) {
  db.getSiblingDB(service).createUser({
    user: service,
    pwd: password,
    roles: [{ role: "readWrite", db: service }],
  });
}
